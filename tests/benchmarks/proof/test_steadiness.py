from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from beltline.benchmarks.proof.steadiness import steadiness
from beltline.benchmarks.timing.measurement import Measurement

Belt = Callable[..., Measurement]


def _noise(frames: int, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return 3 + np.random.default_rng(seed).gamma(2.0, 0.2, frames)


def test_independent_frames_are_steady(belt: Belt) -> None:
    found = steadiness(belt(list(_noise(2_000))), deadline_ms=8.0)
    assert abs(found.autocorrelation) < 0.1
    assert found.drift_p_value > 0.01
    assert found.cluster_frames == 1.0


def test_a_device_that_gets_hot_drifts(belt: Belt) -> None:
    found = steadiness(belt(list(_noise(2_000) + np.linspace(0, 1.5, 2_000))), deadline_ms=8.0)
    assert found.drift_p_value < 1e-6
    assert found.drift_ms == pytest.approx(1.5, abs=0.2)


def test_frames_without_any_trend_seldom_drift(belt: Belt) -> None:
    found = [steadiness(belt(list(_noise(300, seed))), deadline_ms=8.0).drift_p_value for seed in range(60)]
    assert sum(value < 0.01 for value in found) <= 3


def test_spells_of_slow_frames_are_measured(belt: Belt) -> None:
    work = _noise(3_000)
    for start in range(50, 3_000, 100):
        work[start : start + 5] = 7.5
    found = steadiness(belt(list(work)), deadline_ms=8.0)
    assert found.cluster_frames == pytest.approx(5, abs=0.5)
    assert found.autocorrelation > 0.5


def test_equal_and_few_frames_show_nothing(belt: Belt) -> None:
    for work in ([2.0] * 50, [2.0, 3.0], [2.0]):
        found = steadiness(belt(work), deadline_ms=8.0)
        assert (found.drift_p_value, found.drift_ms, found.cluster_frames) == (1.0, 0.0, 1.0)
