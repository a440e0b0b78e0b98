from __future__ import annotations

import time

import numpy as np
import pytest
from beltline.benchmarks.pacing import belt_schedule_ns, wait_until
from beltline.inspection.errors import MeasurementError


def test_the_schedule_keeps_its_period_without_rounding_drift() -> None:
    due = belt_schedule_ns(1_000_000, period_ns=16_666_667, first_ns=5)
    assert due.dtype == np.int64
    assert due[-1] == 5 + 999_999 * 16_666_667


@pytest.mark.parametrize(("frames", "period_ns"), [(0, 10), (3, 0), (3, -1)])
def test_an_impossible_belt_is_refused(frames: int, period_ns: int) -> None:
    with pytest.raises(MeasurementError, match="at least 1 frame and a period above 0"):
        belt_schedule_ns(frames, period_ns=period_ns, first_ns=0)


@pytest.mark.parametrize("ahead_ns", [50_000, 2_000_000])
def test_waiting_never_ends_early(ahead_ns: int) -> None:
    due_ns = time.perf_counter_ns() + ahead_ns
    ended_ns = wait_until(due_ns)
    assert due_ns <= ended_ns <= time.perf_counter_ns()


def test_a_moment_in_the_past_returns_at_once_with_the_time() -> None:
    before_ns = time.perf_counter_ns()
    assert wait_until(before_ns - 1_000_000_000) >= before_ns
