from __future__ import annotations

import json
import time

import numpy as np
import pytest
from beltline.benchmarks.timing import disturbances
from beltline.benchmarks.timing.clock import Clocks
from beltline.benchmarks.timing.disturbances import watching_disturbances
from beltline.inspection.base.errors import MeasurementError


def test_faults_and_switches_of_the_stretch_are_counted() -> None:
    with watching_disturbances([0]) as found:
        for _ in range(5):
            time.sleep(0.001)
        np.ones(4_000_000)
    assert found["voluntary_switches"] >= 5
    assert found["minor_page_faults"] > 0
    assert found["major_page_faults"] >= 0
    assert json.loads(json.dumps(found)) == found
    assert found["steal_ms"] is None or found["steal_ms"] >= 0


def test_a_machine_that_was_suspended_measured_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter(
        [Clocks(monotonic_ns=0, boot_ns=0, raw_ns=0), Clocks(monotonic_ns=10**9, boot_ns=5 * 10**9, raw_ns=10**9)]
    )
    monkeypatch.setattr(disturbances, "read_clocks", lambda: next(readings))
    words = "suspended for 4 s while measuring; keep the machine awake"
    with pytest.raises(MeasurementError, match=words), watching_disturbances([0]):
        pass
