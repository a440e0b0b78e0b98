from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from beltline.benchmarks.proof.late_bursts import by_trigger, runs_of
from beltline.benchmarks.proof.miss_rate import starts_of
from beltline.benchmarks.soak import points as module
from beltline.benchmarks.soak.folder import read_plan, segments_of, sessions_of
from beltline.benchmarks.soak.histogram import histogram_of
from beltline.benchmarks.soak.points import Series, joined, series_of
from beltline.benchmarks.soak.segment import Segment
from beltline.benchmarks.soak.steady import steady_frames
from beltline.inspection.line.arrivals import Arrivals

Write = Callable[..., Path]
DEADLINE_NS = 30_000_000


def read(folder: Path) -> Iterator[Iterator[Segment]]:
    plan = read_plan(folder)
    return (segments_of(session, plan) for session in sessions_of(folder))


def series(folder: Path) -> Series:
    arrivals = read_plan(folder).arrivals
    return series_of(read(folder), deadline_ns=DEADLINE_NS, period_ns=arrivals.period_ns, cameras=arrivals.cameras)


def stalling(frames: int, seed: int = 1) -> np.ndarray:
    """Work of a millisecond, with stalls that make several frames late."""
    random = np.random.default_rng(seed)
    work_ms = random.gamma(4.0, 0.3, frames)
    work_ms[random.random(frames) < 0.02] = 90.0
    return work_ms


@pytest.mark.parametrize("cameras", [1, 3])
@pytest.mark.parametrize("frames", [37, 500])
def test_points_count_what_all_frames_together_show(write_soak: Write, cameras: int, frames: int) -> None:
    arrivals = Arrivals(period_ns=20_000_000, cameras=cameras)
    folder = write_soak(stalling(900), arrivals=arrivals, frames=frames)
    rows = np.concatenate([segment.rows for segments in read(folder) for segment in segments])
    response_ns = rows[:, -1] - rows[:, 0]
    late = response_ns > DEADLINE_NS
    whole = joined(series(folder).points)
    assert whole is not None
    assert (whole.frames, whole.misses) == (900, int(late.sum()))
    assert whole.bursts == int(starts_of(late, cameras=cameras).sum()) > 3
    assert np.array_equal(whole.response.counts, histogram_of(response_ns).counts)
    assert whole.response.largest_ns == response_ns.max()


def test_a_point_is_a_second_of_one_session(write_soak: Write) -> None:
    found = series(write_soak([1.0] * 120, [1.0] * 60, frames=33))
    assert found.point_ns == 1_000_000_000
    assert [(each.session, each.place, each.frames) for each in found.points] == [
        (0, 0, 50),
        (0, 1, 50),
        (0, 2, 20),
        (1, 0, 50),
        (1, 1, 10),
    ]
    assert found.first_minute is not None
    assert found.first_minute.frames == 120


def test_a_slow_belt_has_longer_points(write_soak: Write) -> None:
    found = series(write_soak([1.0] * 50, arrivals=Arrivals(period_ns=200_000_000)))
    assert (found.point_ns, [each.frames for each in found.points]) == (4_000_000_000, [20, 20, 10])


def test_too_many_points_are_merged_and_nothing_is_lost(write_soak: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_soak(stalling(4_000), stalling(1_000, seed=2), frames=300)
    fine = series(folder)
    monkeypatch.setattr(module, "_MOST_POINTS", 16)
    coarse = series(folder)
    assert len(fine.points) == 100
    assert len(coarse.points) <= 16 + 6
    assert coarse.point_ns == 8_000_000_000
    one, other = joined(fine.points), joined(coarse.points)
    assert one is not None
    assert other is not None
    assert (one.frames, one.misses, one.bursts) == (other.frames, other.misses, other.bursts)
    assert np.array_equal(one.response.counts, other.response.counts)
    assert coarse.first_minute is not None
    assert coarse.first_minute.frames == 3_000


@pytest.mark.parametrize("cameras", [1, 3])
@pytest.mark.parametrize("frames", [64, 301])
def test_the_second_reading_counts_as_if_all_frames_were_in_memory(
    write_soak: Write, cameras: int, frames: int
) -> None:
    folder = write_soak(stalling(900), arrivals=Arrivals(period_ns=20_000_000, cameras=cameras), frames=frames)
    rows = np.concatenate([segment.rows for segments in read(folder) for segment in segments])
    point_ns, limits = 1_000_000_000, (DEADLINE_NS, 2_000_000)
    found = steady_frames(read(folder), {0: 3}, point_ns=point_ns, cameras=cameras, limits_ns=limits)
    steady = rows[rows[:, 0] >= rows[0, 0] + 3 * point_ns]
    response = (steady[:, -1] - steady[:, 0]).astype(np.float64)
    slowest = by_trigger(response, cameras)
    assert found.late == runs_of(slowest > limits[0])
    assert found.near == runs_of(slowest > limits[1])
    centred = response - response.mean()
    assert found.autocorrelation == pytest.approx(centred[1:] @ centred[:-1] / (centred @ centred), abs=0.01)
    assert found.work.frames == len(steady) // cameras


def test_only_steady_sessions_are_read_again(write_soak: Write) -> None:
    folder = write_soak([1.0] * 100, [50.0] * 100)
    found = steady_frames(read(folder), {0: 0}, point_ns=10**9, cameras=1, limits_ns=(DEADLINE_NS, DEADLINE_NS))
    assert (found.late.triggers, found.late.marked) == (100, 0)
