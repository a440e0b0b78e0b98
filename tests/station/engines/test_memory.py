"""An engine that takes too much memory is killed, and the line goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beltline.export.contracts import Frame
from beltline.inspection.base.errors import BundleError
from beltline.station.engines.engine import usual_memory_bytes
from beltline.station.service import Service
from stationing import engine_pid, eventually, offered, running, settings_of

ROOM_MB = 60.0


def test_one_that_takes_too_much_while_it_is_loaded_is_refused(bundle: Any) -> None:
    with pytest.raises(BundleError, match=r"an engine of at most 16 MB of memory, got .* raise engine.memory_mb"):
        Service(settings_of(bundle=bundle.path, engine={"spare": False, "memory_mb": 16}))


def test_one_that_grows_at_work_is_killed_and_started_again(bundle: Any, frames: list[Frame]) -> None:
    """A frame of 49 megapixels takes four times as many bytes in the model, which its runtime keeps."""
    with running(settings_of(bundle=bundle.path)) as service:
        assert service.offer(offered(frames[0])).result(60).standing == "answered"
        engine = service._supervisor._engine
        assert engine is not None
        usual_mb = engine.memory_bytes / 1e6
        adjustment = Path(f"/proc/{engine.pid}/oom_score_adj").read_text()
    assert (16 < usual_mb < usual_memory_bytes() / 1e6, adjustment) == (True, "500\n")
    limit = {"spare": False, "memory_mb": usual_mb + ROOM_MB}
    with running(settings_of(bundle=bundle.path, engine=limit)) as service:
        pid = engine_pid(service)
        service.offer(offered(np.zeros((7000, 7000, 1), np.uint8))).result(60)
        eventually(lambda: service.counters.snapshot().restarts.get("engine") == 1)
        assert any("and is killed" in each.text for each in service.counters.snapshot().incidents)
        eventually(lambda: service.engine_pid not in (0, pid))
        assert service.offer(offered(frames[0])).result(60).standing == "answered"
