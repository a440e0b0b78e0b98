from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from beltline.benchmarks.belt_speed import Case, at_speed, case_of, frames_missing, highest_speed, limited_by
from beltline.benchmarks.measurement import Measurement
from beltline.inspection.errors import MeasurementError
from beltline.inspection.gates import MissGate
from beltline.inspection.line import Bursts, Line, budget_of
from hypothesis import given, settings
from hypothesis import strategies as st

LINE = {"belt_speed_mm_s": 1000.0, "part_pitch_mm": 20.0, "camera_to_ejector_mm": 60.0}
GATE = MissGate(max=0.01, confidence=0.99)
Belt = Callable[..., Measurement]


@pytest.fixture
def case(belt: Belt) -> Callable[..., Case]:
    """A line with 20 ms a part and 60 ms to the ejector, and a model that takes the times given."""

    def make(work_ms: list[float], *, buffer: int | None = None, **line: Any) -> Case:
        budget = budget_of(Line.model_validate({**LINE, **line}))
        return case_of(belt(work_ms, period_ms=1000.0), budget, GATE, buffer=buffer)

    return make


def test_the_fixed_times_end_it_where_they_leave_less_than_the_model_needs(case: Callable[..., Case]) -> None:
    asked = case([5.0] * 600, fixed_ms={"plc": 20.0})
    found = highest_speed(asked)
    assert found is not None
    assert found.factor == pytest.approx(60 / 25, rel=0.001)
    assert found.deadline_ms == pytest.approx(5.0, rel=0.01)
    assert (found.holds, limited_by(asked)) == (True, "deadline")


def test_work_as_long_as_the_period_ends_it_however_far_the_ejector(case: Callable[..., Case]) -> None:
    asked = case([5.0] * 600, camera_to_ejector_mm=6000.0)
    found = highest_speed(asked)
    assert found is not None
    assert found.factor == pytest.approx(20 / 5, rel=0.001)
    assert limited_by(asked) == "throughput"


def test_parts_that_touch_end_it_sooner(case: Callable[..., Case]) -> None:
    """The last of three touching parts waits for two others: 15 ms less two pitches of 1 mm, of 60 ms over speed."""
    asked = case([5.0] * 700, fixed_ms={"plc": 20.0}, bursts=Bursts(every=10, parts=3, pitch_mm=1.0))
    found = highest_speed(asked)
    assert found is not None
    assert 60 / found.factor - 20 == pytest.approx(15 - 2 / found.factor, rel=0.01)
    assert limited_by(asked) == "arrivals"
    assert found.backlog_frames == 2


def test_cameras_triggered_together_wait_for_each_other(case: Callable[..., Case]) -> None:
    asked = case([5.0] * 600, fixed_ms={"plc": 30.0}, cameras=2)
    found = highest_speed(asked)
    assert found is not None
    assert found.factor == pytest.approx(60 / 40, rel=0.001)
    assert found.utilisation == pytest.approx(2 * 5 * 1.5 / 20, rel=0.001)
    assert limited_by(asked) == "arrivals"


def test_frames_that_wait_behind_slow_ones_end_it(case: Callable[..., Case]) -> None:
    """One stall of 30 ms in 700 frames may be late itself; those behind it may not be late too."""
    work = [2.0] * 700
    work[350] = 30.0
    asked = case(work, camera_to_ejector_mm=30.0, part_pitch_mm=8.0)
    found = highest_speed(asked)
    assert found is not None
    assert (found.misses, limited_by(asked)) == (1, "slow_frames")


@given(st.integers(0, 1 << 32), st.floats(0.1, 30.0), st.floats(0.3, 3.0), st.floats(1.01, 2.0))
@settings(max_examples=60, deadline=None)
def test_what_holds_at_a_speed_holds_at_a_slower_one(seed: int, mean: float, factor: float, slower: float) -> None:
    generator = np.random.default_rng(seed)
    busy = (1e6 * generator.gamma(3, mean / 3, 600)).astype(np.int64)
    budget = budget_of(Line.model_validate({**LINE, "fixed_ms": {"plc": 8.0}}))
    due = np.sort(generator.integers(0, 600 * 20_000_000, 600))
    asked = Case(busy=busy, due=due, budget=budget, gate=GATE)
    fast, slow = at_speed(asked, factor), at_speed(asked, factor / slower)
    assert slow.holds or not fast.holds
    assert slow.misses <= fast.misses


def test_the_highest_speed_holds_and_the_next_one_does_not(case: Callable[..., Case]) -> None:
    work = np.random.default_rng(3).gamma(9, 0.5, 3000).tolist()
    asked = case(work, fixed_ms={"plc": 20.0}, jitter_ms=4.0)
    found = highest_speed(asked)
    assert found is not None
    assert at_speed(asked, found.factor).holds
    assert not at_speed(asked, found.factor * 1.001).holds
    assert found.miss_upper <= GATE.max < at_speed(asked, found.factor * 1.001).miss_upper


def test_a_backlog_that_a_short_run_does_not_show_is_still_seen(case: Callable[..., Case]) -> None:
    """At 1.004 periods of work a frame the backlog passes the 6 s to the ejector only after 75,000 frames."""
    asked = case([20.08] * 1000, camera_to_ejector_mm=6000.0)
    now = at_speed(asked, 1.0)
    assert (now.misses, now.holds) == (0, False)


def test_a_run_too_short_to_show_anything_says_what_it_has_seen(case: Callable[..., Case]) -> None:
    asked = case([5.0] * 100, fixed_ms={"plc": 20.0})
    found = highest_speed(asked)
    assert found is not None
    assert (frames_missing(asked), found.holds) == (359, False)
    assert found.factor == pytest.approx(2.4, rel=0.001)


def test_no_speed_holds_where_frames_that_come_together_find_no_place(case: Callable[..., Case]) -> None:
    asked = case([5.0] * 600, cameras=2, buffer=0)
    assert highest_speed(asked) is None
    assert limited_by(asked) is None
    assert at_speed(asked, 1.0).lost == 300


def test_lost_frames_are_late_and_have_no_time(case: Callable[..., Case]) -> None:
    found = at_speed(case([50.0] * 600, buffer=1), 1.0)
    assert found.lost > 300
    assert found.misses >= found.lost
    assert (found.p99_ms, found.backlog_frames) == (None, 1)
    assert found.slowest_ms <= 100


def test_no_time_at_all_is_no_error(case: Callable[..., Case]) -> None:
    found = at_speed(case([5.0] * 600, fixed_ms={"plc": 20.0}), 4.0)
    assert found.deadline_ms < 0
    assert (found.misses, found.miss_upper, found.holds) == (600, 1.0, False)


def test_a_trace_without_judged_frames_is_refused(belt: Belt) -> None:
    with pytest.raises(MeasurementError, match="no judged frame"):
        case_of(belt([], cold_ms=[5.0]), budget_of(Line.model_validate(LINE)), GATE)
