from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from beltline.benchmarks.belt_speed.belt_speed import Case, at_speed, case_of, highest_speed, limited_by
from beltline.benchmarks.timing.measurement import Measurement
from beltline.inspection.base.errors import MeasurementError
from beltline.inspection.line.gates import MissGate
from beltline.inspection.line.line import Bursts, Line, budget_of
from hypothesis import given, settings
from hypothesis import strategies as st

LINE = {"belt_speed_mm_s": 1000.0, "part_pitch_mm": 20.0, "camera_to_ejector_mm": 60.0}
GATE = MissGate(max=0.01, confidence=0.99, stall_ms=0.0)
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
    found = highest_speed(asked, proven=True)
    assert found is not None
    assert found.factor == pytest.approx(60 / 25, rel=0.001)
    assert found.deadline_ms == pytest.approx(5.0, rel=0.01)
    assert (found.holds, found.seems_to_hold, limited_by(asked)) == (True, True, "deadline")


def test_work_as_long_as_the_period_ends_it_however_far_the_ejector(case: Callable[..., Case]) -> None:
    asked = case([5.0] * 600, camera_to_ejector_mm=6000.0)
    found = highest_speed(asked, proven=True)
    assert found is not None
    assert found.factor == pytest.approx(20 / 5, rel=0.001)
    assert limited_by(asked) == "throughput"


def test_parts_that_touch_end_it_sooner(case: Callable[..., Case]) -> None:
    """The last of three touching parts waits for two others: 15 ms less two pitches of 1 mm, of 60 ms over speed."""
    asked = case([5.0] * 700, fixed_ms={"plc": 20.0}, bursts=Bursts(every=10, parts=3, pitch_mm=1.0))
    found = highest_speed(asked, proven=False)
    assert found is not None
    assert 60 / found.factor - 20 == pytest.approx(15 - 2 / found.factor, rel=0.01)
    assert limited_by(asked) == "arrivals"
    assert found.backlog_frames == 2


def test_cameras_triggered_together_wait_for_each_other(case: Callable[..., Case]) -> None:
    asked = case([5.0] * 600, fixed_ms={"plc": 30.0}, cameras=2)
    found = highest_speed(asked, proven=False)
    assert found is not None
    assert found.factor == pytest.approx(60 / 40, rel=0.001)
    assert found.utilisation == pytest.approx(2 * 5 * 1.5 / 20, rel=0.001)
    assert limited_by(asked) == "arrivals"


def test_frames_that_wait_behind_slow_ones_end_it(case: Callable[..., Case]) -> None:
    """Ten stalls of 60 ms each make frames late that would have been in time themselves; 1 % may be late."""
    work = np.full(2000, 2.0)
    work[100::200] = 60.0
    asked = case(work.tolist(), camera_to_ejector_mm=80.0)
    found = highest_speed(asked, proven=False)
    assert found is not None
    assert found.misses == 20
    assert (found.backlog_frames > 1, limited_by(asked)) == (True, "slow_frames")


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
    assert slow.seems_to_hold or not fast.seems_to_hold
    assert slow.misses <= fast.misses


def test_the_highest_speed_holds_and_the_next_one_does_not(case: Callable[..., Case]) -> None:
    work = np.random.default_rng(3).gamma(9, 0.5, 3000).tolist()
    asked = case(work, fixed_ms={"plc": 20.0}, jitter_ms=4.0)
    found = highest_speed(asked, proven=True)
    assert found is not None
    assert at_speed(asked, found.factor).holds
    assert not at_speed(asked, found.factor * 1.001).holds
    assert found.miss_upper <= GATE.max < at_speed(asked, found.factor * 1.001).miss_upper


def test_a_backlog_that_a_short_run_does_not_show_is_still_seen(case: Callable[..., Case]) -> None:
    """At 1.004 periods of work a frame the backlog passes the 6 s to the ejector only after 75,000 frames."""
    asked = case([20.08] * 1000, camera_to_ejector_mm=6000.0)
    now = at_speed(asked, 1.0)
    assert (now.misses, now.holds, now.seems_to_hold) == (0, False, False)


def test_a_run_too_short_to_prove_anything_still_says_what_it_has_seen(case: Callable[..., Case]) -> None:
    asked = case([5.0] * 100, fixed_ms={"plc": 20.0})
    found = highest_speed(asked, proven=False)
    assert highest_speed(asked, proven=True) is None
    assert found is not None
    assert (found.seems_to_hold, found.holds, found.frames_to_prove) == (True, False, 459)
    assert found.factor == pytest.approx(2.4, rel=0.001)


def test_a_stall_makes_more_frames_late_on_a_faster_belt_so_a_run_proves_less_there(case: Callable[..., Case]) -> None:
    """At today's speed a stall of 100 ms makes ceil((100 + 5 - 40) / 15) = 5 frames late, at twice that 19."""
    stalls = MissGate(max=0.01, confidence=0.99, stall_ms=100.0)
    asked = replace(case([5.0] * 2400, fixed_ms={"plc": 20.0}), gate=stalls)
    found = highest_speed(asked, proven=True)
    assert found is not None
    assert 1.0 <= found.factor < 1.1
    assert at_speed(asked, 1.0).frames_to_prove == 5 * 459
    assert at_speed(asked, 2.0).frames_to_prove == 19 * 459
    seen = highest_speed(asked, proven=False)
    assert seen is not None
    assert seen.factor == pytest.approx(2.4, rel=0.001)


def test_no_speed_holds_where_frames_that_come_together_find_no_place(case: Callable[..., Case]) -> None:
    asked = case([5.0] * 600, cameras=2, buffer=0)
    assert highest_speed(asked, proven=True) is None
    assert highest_speed(asked, proven=False) is None
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
