from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from beltline.benchmarks.proof.late_bursts import allowed_burst_frames, by_trigger, late_bursts_of, runs_of
from beltline.benchmarks.proof.steadiness import steadiness
from beltline.benchmarks.timing.measurement import Measurement
from beltline.inspection.line.arrivals import Arrivals
from beltline.inspection.line.gates import MissGate

Belt = Callable[..., Measurement]
_GATE = MissGate(stall_ms=50)


def _work(frames: int, seed: int = 0) -> list[float]:
    return list(1 + np.random.default_rng(seed).gamma(2.0, 0.1, frames))


def test_a_stall_as_long_as_allowed_explains_what_it_does(belt: Belt) -> None:
    work = _work(3_000)
    for frame in range(100, 3_000, 400):
        work[frame] += 50.0
    found = late_bursts_of(belt(work), deadline_ms=20.0, gate=_GATE)
    assert found.allowed_frames == found.longest_frames == 4
    assert found.allowed_near_frames >= found.longest_near_frames > 4
    assert found.stall_ms == 0
    assert found.utilisation == pytest.approx(0.118, abs=0.01)


def test_a_longer_stall_is_found_and_named(belt: Belt) -> None:
    work = _work(3_000)
    work[1_000] += 150.0
    found = late_bursts_of(belt(work), deadline_ms=20.0, gate=_GATE)
    assert found.longest_frames > found.allowed_frames
    assert 140 <= found.stall_ms <= 155
    assert found.stall_burst_frames >= found.longest_frames
    allowed = late_bursts_of(belt(work), deadline_ms=20.0, gate=MissGate(stall_ms=found.stall_ms + 5))
    assert allowed.stall_ms == 0


def test_a_longer_stall_shows_in_nearly_late_frames_before_any_is_late(belt: Belt) -> None:
    work = _work(3_000)
    work[1_000] += 80.0
    found = late_bursts_of(belt(work), deadline_ms=100.0, gate=_GATE)
    assert found.longest_frames == 0
    assert found.stall_ms > 50


def test_late_frames_that_meet_by_chance_are_no_longer_stall(belt: Belt) -> None:
    response = np.where(np.random.default_rng(3).random(2_000) < 0.05, 9.5, 1.0)
    found = late_bursts_of(belt(list(response)), deadline_ms=9.0, gate=MissGate(max=0.05, stall_ms=5))
    assert found.longest_frames >= 2
    assert found.stall_ms == 0


def test_the_frames_of_a_trigger_stand_together() -> None:
    assert by_trigger(np.array([1.0, 5.0, 2.0, 3.0, 4.0]), 2).tolist() == [5.0, 3.0, 4.0]
    assert runs_of(np.zeros(0, dtype=bool)).longest == 0


def test_cameras_multiply_what_a_stall_makes_late(belt: Belt) -> None:
    one = belt(_work(600))
    two = replace(one, arrivals=Arrivals(period_ns=10_000_000, cameras=2))
    assert [allowed_burst_frames(each, deadline_ms=20.0, stall_ms=50.0) for each in (one, two)] == [4, 10]


def test_back_to_back_nothing_waits_behind_a_stall(belt: Belt) -> None:
    alone = replace(belt(_work(50)), mode="back_to_back", arrivals=None)
    assert allowed_burst_frames(alone, deadline_ms=20.0, stall_ms=5_000.0) == 1


def test_a_device_that_ebbs_and_flows_near_its_deadline_is_correlated(belt: Belt) -> None:
    noise = np.random.default_rng(4).normal(size=2_000)
    level = np.zeros(2_000)
    for frame in range(1, 2_000):
        level[frame] = 0.95 * level[frame - 1] + 0.3 * noise[frame]
    measured = belt(list(4 + 0.8 * level))
    near = steadiness(measured, deadline_ms=8.0)
    assert near.correlated_frames == pytest.approx(39, rel=0.4)
    assert near.correlated_stall_ms > 100
    assert steadiness(measured, deadline_ms=86.0).correlated_frames == 1.0  # it never gets there
    assert steadiness(belt(_work(2_000)), deadline_ms=2.0).correlated_frames == 1.0
