from __future__ import annotations

import json
import time

import numpy as np
import pytest
from beltline.benchmarks.timing import disturbances
from beltline.benchmarks.timing.disturbances import Clocks, clock_problem, read_clocks, watching_disturbances
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
    message = "suspended for 4 s while measuring; keep the machine awake"
    with pytest.raises(MeasurementError, match=message), watching_disturbances([0]):
        pass


BEFORE = Clocks(monotonic_ns=5_000_000_000, boot_ns=7_000_000_000, raw_ns=4_000_000_000)


def _after(*, seconds: float, asleep_s: float = 0.0, pace: float = 1.0) -> Clocks:
    passed_ns = round(seconds * 1e9)
    return Clocks(
        monotonic_ns=BEFORE.monotonic_ns + round(passed_ns * pace),
        boot_ns=BEFORE.boot_ns + round(passed_ns * pace) + round(asleep_s * 1e9),
        raw_ns=BEFORE.raw_ns + passed_ns,
    )


def test_this_machine_keeps_its_clocks_together() -> None:
    assert clock_problem(read_clocks(), read_clocks()) is None


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (_after(seconds=60), None),
        (_after(seconds=604_800, pace=1 + 4e-4), None),
        (_after(seconds=60, asleep_s=3600), "the machine was suspended for 3.6e+03 s"),
        (_after(seconds=60, pace=1.01), "+600 ms off after 60.6 s"),
        (_after(seconds=60, pace=0.9), "-6e+03 ms off after 54 s"),
    ],
)
def test_a_clock_that_jumps_is_named(after: Clocks, message: str | None) -> None:
    problem = clock_problem(BEFORE, after)
    assert (problem is None) if message is None else message in str(problem)
