from __future__ import annotations

from typing import Any

import pytest
from beltline.inspection.base.errors import LineFileError
from beltline.inspection.line.arrivals import Arrivals
from beltline.inspection.line.line import Line, budget_of
from pydantic import ValidationError

FIGURES: dict[str, Any] = {"belt_speed_mm_s": 500, "part_pitch_mm": 120, "camera_to_ejector_mm": 60}


def test_the_design_example() -> None:
    budget = budget_of(Line(**FIGURES, fixed_ms={"exposure": 1, "transfer": 8, "plc": 5, "ejector": 20}))
    assert (budget.period_ms, budget.deadline_ms, budget.fixed_ms) == (240.0, 86.0, 34.0)
    assert budget.fixed_parts_ms == {"exposure": 1, "transfer": 8, "plc": 5, "ejector": 20}


def test_more_frames_per_part_shorten_the_period_only() -> None:
    budget = budget_of(Line(**FIGURES, frames_per_part=4))
    assert (budget.period_ms, budget.deadline_ms) == (60.0, 120.0)


def test_the_deadline_may_be_longer_than_the_period() -> None:
    budget = budget_of(Line(**{**FIGURES, "part_pitch_mm": 10}))
    assert budget.deadline_ms > budget.period_ms


def test_an_even_belt_in_front_of_one_camera_is_the_default() -> None:
    assert budget_of(Line(**FIGURES)).arrivals == Arrivals(period_ns=240_000_000)


def test_cameras_jitter_and_bursts_decide_when_frames_are_due_and_leave_period_and_deadline_alone() -> None:
    bursts = {"every": 50, "parts": 4, "pitch_mm": 40}
    line = Line(**FIGURES, frames_per_part=2, cameras=3, jitter_ms=2.5, bursts=bursts)
    budget = budget_of(line, seed=9)
    assert (budget.period_ms, budget.deadline_ms) == (120.0, 120.0)
    assert budget.arrivals == Arrivals(
        period_ns=120_000_000,
        frames_per_part=2,
        cameras=3,
        jitter_ns=2_500_000,
        burst_every=50,
        burst_parts=4,
        burst_pitch_ns=80_000_000,
        seed=9,
    )


def test_more_jitter_than_half_the_distance_is_refused_with_the_most_that_can_be() -> None:
    assert budget_of(Line(**FIGURES, jitter_ms=120)).arrivals.jitter_ns == 120_000_000
    with pytest.raises(LineFileError, match=r"at most half of the 240 ms .* got 121; write at most 120"):
        budget_of(Line(**FIGURES, jitter_ms=121))


@pytest.mark.parametrize(
    ("bursts", "expected"),
    [
        ({"every": 4, "parts": 4, "pitch_mm": 40}, "bursts.parts must be below bursts.every, got 4 of 4"),
        ({"every": 50, "parts": 4, "pitch_mm": 120}, r"bursts.pitch_mm must be below part_pitch_mm \(120\), got 120"),
    ],
)
def test_bursts_that_are_none_are_refused(bursts: dict[str, Any], expected: str) -> None:
    with pytest.raises(LineFileError, match=expected):
        budget_of(Line(**FIGURES, bursts=bursts))


def test_no_time_left_names_each_figure_that_would_mend_it() -> None:
    line = Line(**FIGURES, fixed_ms={"transfer": 8, "ejector": 142})
    with pytest.raises(LineFileError) as caught:
        budget_of(line)
    message = str(caught.value)
    assert "got -30" in message
    assert "raise camera_to_ejector_mm above 75" in message
    assert "lower belt_speed_mm_s below 400" in message
    assert "fixed_ms.ejector (142 ms, the longest)" in message


def test_exactly_no_time_left_is_refused_too() -> None:
    with pytest.raises(LineFileError, match="must be > 0, got 0"):
        budget_of(Line(**FIGURES, fixed_ms={"plc": 120}))


def test_a_speed_in_metres_per_second_is_suspected() -> None:
    with pytest.raises(LineFileError, match=r"m/s.*write 500"):
        budget_of(Line(**{**FIGURES, "belt_speed_mm_s": 0.5}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("belt_speed_mm_s", 0),
        ("belt_speed_mm_s", -500),
        ("belt_speed_mm_s", "500 mm/s"),
        ("belt_speed_mm_s", float("inf")),
        ("part_pitch_mm", float("nan")),
        ("camera_to_ejector_mm", 0),
        ("frames_per_part", 0),
        ("frames_per_part", 1.5),
        ("frames_per_part", True),
        ("fixed_ms", {"plc": -1}),
        ("fixed_ms", {"plc": "5 ms"}),
        ("belt_speed_m_s", 0.5),
        ("cameras", 0),
        ("cameras", 65),
        ("cameras", 1.5),
        ("jitter_ms", -1),
        ("jitter_ms", float("inf")),
        ("bursts", {"every": 50, "parts": 1, "pitch_mm": 40}),
        ("bursts", {"every": 2, "parts": 2, "pitch_mm": 40}),
        ("bursts", {"every": 50, "parts": 4, "pitch_mm": 0}),
        ("bursts", {"every": 50, "parts": 4}),
    ],
)
def test_impossible_figures_are_refused_at_their_key(key: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Line(**{**FIGURES, key: value})
    assert caught.value.errors()[0]["loc"][0] == key
