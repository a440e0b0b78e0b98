from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from beltline.benchmarks.belt_speed.backlog import NEVER_NS, Replay, busy_ns, replay
from beltline.benchmarks.timing.measurement import Measurement
from beltline.inspection.base.errors import MeasurementError
from hypothesis import given, settings
from hypothesis import strategies as st

FRAMES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60)), min_size=1, max_size=60)


def plain(due: list[int], busy: list[int], buffer: int | None) -> tuple[list[int], int, int, int]:
    """Step through time, one ns after another, with a queue as a child would draw it."""
    response, lost, longest, waits = [NEVER_NS] * len(due), 0, 0, [0]
    queue: list[int] = []
    current, left, now, coming = None, 0, 0, 0
    while coming < len(due) or queue or current is not None:
        if current is not None and left == 0:
            response[current], current = now - due[current], None
        if current is None and queue:
            current = queue.pop(0)
            left = busy[current]
            waits.append(now - due[current])
            continue
        if coming < len(due) and due[coming] == now:
            if current is None:
                current, left = coming, busy[coming]
            elif buffer is not None and len(queue) >= buffer:
                lost += 1
            else:
                queue.append(coming)
                longest = max(longest, len(queue))
            coming += 1
            continue
        now, left = now + 1, left - 1
    return response, lost, longest, max(waits)


@given(FRAMES, st.one_of(st.none(), st.integers(0, 4)))
@settings(max_examples=300, deadline=None)
def test_it_does_what_a_queue_does_step_by_step(frames: list[tuple[int, int]], buffer: int | None) -> None:
    due = np.cumsum([gap for gap, _ in frames])
    busy = np.array([work for _, work in frames])
    found = replay(due, busy, buffer=buffer)
    notified = (found.response_ns.tolist(), found.lost, found.longest_frames, found.longest_ns)
    assert notified == plain(due.tolist(), busy.tolist(), buffer)


@given(FRAMES)
@settings(deadline=None)
def test_a_large_buffer_is_none(frames: list[tuple[int, int]]) -> None:
    due, busy = np.cumsum([gap for gap, _ in frames]), np.array([work for _, work in frames])
    free, large = replay(due, busy), replay(due, busy, buffer=len(frames))
    assert free.response_ns.tolist() == large.response_ns.tolist()
    assert large.lost == 0


def test_a_measured_run_replayed_at_its_own_pace_is_itself(belt: Callable[..., Measurement]) -> None:
    times_ms = np.random.default_rng(0).gamma(2, 4, 400).tolist()
    measured = belt(times_ms, period_ms=9.0, cold_ms=[40.0, 20.0])
    found = replay(measured.scheduled_ns[measured.warmup :], busy_ns(measured))
    assert found.response_ns.tolist() == measured.response_ns.tolist()
    assert found.longest_frames > 1


def test_what_the_pacer_overslept_keeps_the_device_busy(belt: Callable[..., Measurement]) -> None:
    measured = belt([3.0, 4.0], period_ms=10.0)
    measured.started_ns[:] += 50_000
    assert busy_ns(measured).tolist() == [3_000_000, 4_000_000]


def response_of(share_busy: float, *, frames: int, seed: int) -> Replay:
    """Poisson arrivals, constant work of 1,000 ns."""
    gaps = np.random.default_rng(seed).exponential(1000 / share_busy, frames)
    return replay(np.cumsum(gaps).astype(np.int64), np.full(frames, 1000))


@pytest.mark.parametrize("share_busy", [0.3, 0.6, 0.8])
def test_mean_wait_is_that_of_m_d_1(share_busy: float) -> None:
    """Pollaczek-Khinchine: with constant work the mean wait is rho / (2 (1 - rho)) of it."""
    waits = [response_of(share_busy, frames=40_000, seed=seed).response_ns.mean() - 1000 for seed in range(12)]
    wanted = 1000 * share_busy / (2 * (1 - share_busy))
    error = np.std(waits, ddof=1) / np.sqrt(len(waits))
    assert abs(np.mean(waits) - wanted) < 4 * error + 1
    assert error < 0.03 * wanted


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_nobody_waits_in_d_d_1_until_work_takes_longer_than_the_period(period: int, work: int) -> None:
    found = replay(np.arange(200) * period, np.full(200, work))
    assert found.longest_ns == max(0, 199 * (work - period))


def test_mean_wait_in_d_g_1_is_below_kingmans_bound() -> None:
    """J. F. C. Kingman, "Some inequalities for the queue GI/G/1", Biometrika 49 (1962)."""
    generator = np.random.default_rng(1)
    for shape, share_busy in ((1.0, 0.7), (4.0, 0.9), (0.5, 0.5)):
        busy = generator.gamma(shape, 1e6 / shape, 200_000).astype(np.int64)
        period = round(1e6 / share_busy)
        mean_wait = (replay(np.arange(busy.size) * period, busy).response_ns - busy).mean()
        assert 0 < mean_wait <= busy.var() / period / (2 * (1 - share_busy)) * 1.02


def test_a_lost_frame_is_late_for_any_deadline() -> None:
    found = replay(np.array([0, 1, 2, 50]), np.array([30, 5, 5, 5]), buffer=1)
    assert found.late(deadline_ns=10**17).tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("due", "busy", "buffer"),
    [([], [], None), ([0, 1], [5], None), ([5, 1], [1, 1], None), ([0, 1], [1, -1], None), ([0], [1], -1)],
)
def test_what_cannot_be_replayed_is_refused(due: list[int], busy: list[int], buffer: int | None) -> None:
    with pytest.raises(MeasurementError):
        replay(np.array(due, dtype=np.int64), np.array(busy, dtype=np.int64), buffer=buffer)
