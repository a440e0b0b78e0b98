from __future__ import annotations

import doctest
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from beltline.benchmarks.belt_speed import shared_device
from beltline.benchmarks.belt_speed.backlog import replay
from beltline.benchmarks.belt_speed.belt_speed import Case, case_of
from beltline.benchmarks.belt_speed.shared_device import HANDOVER_NS, serve_in_turn, share_device
from beltline.benchmarks.timing.measurement import Measurement
from beltline.inspection.base.errors import MeasurementError
from beltline.inspection.line.gates import MissGate
from beltline.inspection.line.line import Line, budget_of
from hypothesis import given, settings
from hypothesis import strategies as st

Belt = Callable[..., Measurement]
GATE = MissGate(max=0.01, confidence=0.99, stall_ms=0.0)
HANDOVER_MS = HANDOVER_NS / 1e6


@pytest.fixture
def case(belt: Belt) -> Callable[..., Case]:
    """A line with 20 ms a part, and a model that takes the times given."""

    def make(work_ms: list[float], *, deadline_ms: float = 15.0, gate: MissGate = GATE, **line: Any) -> Case:
        wanted = {"belt_speed_mm_s": 1000.0, "part_pitch_mm": 20.0, "camera_to_ejector_mm": deadline_ms, **line}
        return case_of(belt(work_ms, period_ms=1000.0), budget_of(Line.model_validate(wanted)), gate)

    return make


def test_the_examples_in_it_hold() -> None:
    assert doctest.testmod(shared_device).failed == 0


def test_a_belt_alone_is_the_queue_of_one_belt(case: Callable[..., Case]) -> None:
    rng = np.random.default_rng(1)
    asked = case(rng.uniform(1.0, 30.0, 500).tolist(), bursts={"every": 9, "parts": 3, "pitch_mm": 2.0})
    (served,) = serve_in_turn([asked.due], [asked.busy])
    assert served.tolist() == replay(asked.due, asked.busy).response_ns.tolist()


def test_each_belt_is_judged_as_if_the_other_came_just_before_it(case: Callable[..., Case]) -> None:
    found = share_device({"left": case([4.0] * 900), "right": case([7.0] * 900)})
    slowest = {belt.name: belt.slowest_ms for belt in found.belts}
    assert slowest == pytest.approx(dict.fromkeys(("left", "right"), 11 + HANDOVER_MS), abs=0.01)
    assert [belt.alone_ms for belt in found.belts] == pytest.approx([4.0, 7.0], abs=0.01)
    assert (found.fit, found.keeps_up) == ("proven", True)
    assert found.utilisation == pytest.approx(11 / 20, rel=0.01)


def test_belts_that_meet_each_deadline_alone_may_not_fit_together(case: Callable[..., Case]) -> None:
    found = share_device({"left": case([6.0] * 900), "right": case([6.0] * 900, deadline_ms=12.0)})
    assert {belt.name: belt.fit for belt in found.belts} == {"left": "proven", "right": "no"}
    assert (found.fit, found.keeps_up) == ("no", True)
    assert next(belt for belt in found.belts if belt.name == "right").misses > 0.9 * 900


def test_more_work_than_time_does_not_fit_however_long_the_deadlines(case: Callable[..., Case]) -> None:
    cases = {name: case([11.0] * 400, deadline_ms=60_000.0) for name in ("left", "right")}
    found = share_device(cases)
    assert (found.fit, found.keeps_up) == ("no", False)
    assert {belt.misses for belt in found.belts} == {0}


def test_a_short_run_is_seen_to_fit_and_proves_nothing(case: Callable[..., Case]) -> None:
    found = share_device({"left": case([1.0] * 900), "right": case([1.0] * 90)})
    assert [belt.frames for belt in found.belts] == pytest.approx([90, 90], abs=1)
    assert found.fit == "seen"


def test_what_one_stall_makes_late_counts_the_work_of_all_belts(case: Callable[..., Case]) -> None:
    """After 100 ms, alone it catches up 16 ms a trigger, beside the other belt 10 ms."""
    gate = GATE.model_copy(update={"stall_ms": 100.0})
    alone = share_device({"left": case([4.0] * 3000, gate=gate)})
    both = share_device({"left": case([4.0] * 3000, gate=gate), "right": case([6.0] * 3000, gate=gate)})
    assert alone.belts[0].burst_frames == 6
    assert both.belts[0].burst_frames > 8
    assert alone.belts[0].miss_upper < both.belts[0].miss_upper


def test_no_belt_at_all_is_refused() -> None:
    with pytest.raises(MeasurementError, match="at least one"):
        share_device({})


@settings(max_examples=60, deadline=None)
@given(
    piled_up=st.integers(1, 60),
    works=st.lists(st.integers(1, 40), min_size=5, max_size=30),
    gap=st.integers(80, 200),
    start=st.integers(0, 150),
)
def test_a_burst_of_one_belt_holds_another_one_up_by_one_frame(
    piled_up: int, works: list[int], gap: int, start: int
) -> None:
    """However many frames of the left belt come at once, one of the right waits for one of them at most."""
    due = start + gap * np.arange(len(works))
    left = np.append(np.zeros(piled_up, np.int64), 10**6)
    served = serve_in_turn([left, due], [np.full(left.size, 40), np.array(works)])[1]
    assert (served <= 40 + np.array(works)[: served.size]).all()
