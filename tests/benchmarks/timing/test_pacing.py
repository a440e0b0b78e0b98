from __future__ import annotations

import time

import pytest
from beltline.benchmarks.timing.pacing import wait_until


@pytest.mark.parametrize("ahead_ns", [50_000, 2_000_000])
def test_waiting_never_ends_early(ahead_ns: int) -> None:
    due_ns = time.perf_counter_ns() + ahead_ns
    ended_ns = wait_until(due_ns)
    assert due_ns <= ended_ns <= time.perf_counter_ns()


def test_a_moment_in_the_past_returns_at_once_with_the_time() -> None:
    before_ns = time.perf_counter_ns()
    assert wait_until(before_ns - 1_000_000_000) >= before_ns
