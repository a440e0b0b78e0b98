"""An engine that takes too much memory is killed, and the line goes on; what it keeps of references is no reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from beltline.export.contracts import Frame
from beltline.inspection.base.errors import BundleError
from beltline.station.engines.memory import usual_memory_bytes
from beltline.station.service import Service
from comparing_bundle import write_comparing_bundle
from drawn_boards import board
from stationing import engine_pid, eventually, offered, running, settings_of

ROOM_MB = 60.0
SIDE, PRODUCTS = 1000, 30
"""30 references of so many pixels a side: 5.5 MB of each are kept where nothing bounds it."""


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


def test_many_large_references_do_not_get_an_engine_of_little_memory_killed(
    bundle: Any, parts_of_bundle: Any, tmp_path: Path
) -> None:
    compared = write_comparing_bundle(bundle, parts_of_bundle, tmp_path)
    image, folder = board(1, SIDE, SIDE), tmp_path / "references"
    folder.mkdir()
    for number in range(PRODUCTS):
        shown = np.ascontiguousarray(np.roll(image, 31 * number, axis=1))
        (folder / f"p{number}.png").write_bytes(cv2.imencode(".png", shown)[1].tobytes())
    told = {"folder": folder}
    with running(settings_of(bundle=compared, references=told)) as service:
        assert service._supervisor._engine is not None
        usual_mb = service._supervisor._engine.memory_bytes / 1e6
    limit = {"spare": False, "memory_mb": usual_mb + ROOM_MB}
    with running(settings_of(bundle=compared, references=told, engine=limit)) as service:
        engine, most_mb = service._supervisor._engine, 0.0
        assert engine is not None
        for number in range(2 * PRODUCTS):
            product = number % PRODUCTS
            part = np.ascontiguousarray(np.roll(image, 31 * product, axis=1))
            outcome = service.offer(replace(offered(part, number), product=f"p{product}")).result(60)
            assert (outcome.standing, outcome.product) == ("answered", f"p{product}")
            assert outcome.because != "alignment"
            most_mb = max(most_mb, engine.memory_bytes / 1e6)
        assert engine.alive
        assert service.counters.snapshot().restarts.get("engine", 0) == 0
    assert ROOM_MB / 4 < most_mb - usual_mb < ROOM_MB  # it did keep some
