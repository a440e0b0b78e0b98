from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from typing import Any

import numpy as np
import pytest
from beltline.inspection.base.errors import LineFileError
from beltline.inspection.line.arrivals import Arrivals, due_ns, schedule_ns

EVERYTHING = Arrivals(
    period_ns=1_000,
    frames_per_part=3,
    cameras=2,
    jitter_ns=400,
    burst_every=7,
    burst_parts=4,
    burst_pitch_ns=900,
    seed=5,
)


def test_a_plain_belt_keeps_its_period_without_rounding_drift() -> None:
    due = due_ns(Arrivals(period_ns=16_666_667), start=0, frames=1_000_000)
    assert due.dtype == np.int64
    assert due[-1] == 999_999 * 16_666_667


def test_cameras_are_triggered_at_the_same_moment() -> None:
    due = due_ns(Arrivals(period_ns=100, cameras=3, frames_per_part=2), start=0, frames=7)
    assert due.tolist() == [0, 0, 0, 100, 100, 100, 200]


def test_jitter_is_uniform_around_each_place_and_moves_all_photographs_of_a_part() -> None:
    belt = Arrivals(period_ns=1_000_000, frames_per_part=2, jitter_ns=300_000, seed=1)
    off = due_ns(belt, start=0, frames=40_000) - due_ns(Arrivals(period_ns=1_000_000), start=0, frames=40_000)
    assert np.array_equal(off[0::2], off[1::2])
    assert off.min() >= -300_000
    assert off.max() <= 300_000
    counts, _ = np.histogram(off[0::2], bins=10, range=(-300_000, 300_000))
    assert np.abs(counts - 2_000).max() < 200  # five standard deviations of a bin
    assert abs(np.corrcoef(off[0:-2:2], off[2::2])[0, 1]) < 0.04


def test_another_seed_is_another_jitter_and_the_same_seed_the_same() -> None:
    one, same, other = (
        due_ns(Arrivals(period_ns=100, jitter_ns=50, seed=seed), start=0, frames=50) for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_jitter_of_a_seed_never_changes() -> None:
    """A trace of last year is checked against the rule of today."""
    due = due_ns(Arrivals(period_ns=1_000_000, jitter_ns=500_000, seed=7), start=1_000_000, frames=3)
    assert due.tolist() == [999_999_814_011, 1_000_000_930_011, 1_000_002_018_267]


def test_touching_parts_were_held_up_and_the_mean_rate_stays() -> None:
    belt = Arrivals(period_ns=100, burst_every=10, burst_parts=4, burst_pitch_ns=20)
    due = due_ns(belt, start=0, frames=20)
    assert due[:10].tolist() == [0, 100, 200, 300, 400, 500, 840, 860, 880, 900]
    assert (due[10:] - due[:10]).tolist() == [1_000] * 10
    assert np.all(due >= due_ns(Arrivals(period_ns=100), start=0, frames=20))


def test_touching_parts_share_their_jitter() -> None:
    belt = Arrivals(period_ns=100, jitter_ns=40, burst_every=5, burst_parts=3, burst_pitch_ns=20, seed=3)
    due = due_ns(belt, start=0, frames=5_000).reshape(-1, 5)
    assert np.array_equal(np.diff(due[:, 2:], axis=1), np.full((1_000, 2), 20))
    assert len(np.unique(due[:, 2] - 500 * np.arange(1_000))) > 50


def test_frames_never_overtake() -> None:
    assert np.all(np.diff(due_ns(EVERYTHING, start=0, frames=100_000)) >= 0)


@pytest.mark.parametrize("start", [0, 1, 41, 42, 43, 999, 10**9 + 7])
def test_any_stretch_can_be_worked_out_on_its_own(start: int) -> None:
    near = max(0, start - 97)
    whole = due_ns(EVERYTHING, start=near, frames=300)
    assert np.array_equal(due_ns(EVERYTHING, start=start, frames=150), whole[start - near :][:150])


def test_the_endless_schedule_is_the_same_rule() -> None:
    several_chunks = 5_000
    expected = 77 + due_ns(EVERYTHING, start=0, frames=several_chunks)
    assert list(islice(schedule_ns(EVERYTHING, first_ns=77), several_chunks)) == expected.tolist()


def test_the_rate_counts_every_camera() -> None:
    assert Arrivals(period_ns=20_000_000, cameras=3).frames_per_s == 150.0


def test_no_frames_are_no_times() -> None:
    assert due_ns(EVERYTHING, start=5, frames=0).size == 0


def test_it_is_json_and_comes_back() -> None:
    assert Arrivals(**asdict(EVERYTHING)) == EVERYTHING


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"period_ns": 0}, "period_ns"),
        ({"period_ns": 10.5}, "period_ns"),
        ({"period_ns": float("nan")}, "period_ns"),
        ({"period_ns": 1 << 60}, "period_ns"),
        ({"cameras": 0}, "cameras"),
        ({"cameras": 1_000_000}, "cameras"),
        ({"cameras": True}, "cameras"),
        ({"frames_per_part": 0}, "frames_per_part"),
        ({"jitter_ns": 501}, "jitter_ns"),
        ({"jitter_ns": -1}, "jitter_ns"),
        ({"burst_every": 5, "burst_parts": 5, "burst_pitch_ns": 10}, "burst_parts"),
        ({"burst_every": 5, "burst_parts": 2, "burst_pitch_ns": 1_000}, "burst_pitch_ns"),
        ({"burst_parts": 2}, "burst_parts"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_rule_that_no_belt_follows_is_refused(changes: dict[str, Any], name: str) -> None:
    with pytest.raises(LineFileError, match=f"arrivals: {name} must be a whole number in"):
        Arrivals(**{"period_ns": 1_000, **changes})
