from __future__ import annotations

import numpy as np
import pytest
from beltline.benchmarks.soak.steady import steady_from


def warming(minutes: float, *, points: int = 600, noise: float = 0.02, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    place = np.arange(points) / 60
    return 1.3 - 0.3 * np.exp(-place / minutes) + random.normal(0, noise, points)


def test_a_device_that_warms_up_is_steady_once_it_is_warm() -> None:
    starts = [steady_from(warming(0.5, seed=seed)) for seed in range(40)]
    found = [start for start in starts if start is not None]
    assert len(found) >= 38
    assert 30 <= np.median(found) <= 180
    assert all(warming(0.5, noise=0.0)[start] > 1.2 for start in found)


def test_a_device_that_never_stops_warming_up_is_never_steady() -> None:
    assert [steady_from(warming(30.0, noise=0.005, seed=seed)) for seed in range(20)] == [None] * 20


def test_a_steady_device_is_steady_at_once_or_soon() -> None:
    starts = [steady_from(np.random.default_rng(seed).normal(1.0, 0.1, 600)) for seed in range(40)]
    assert sum(start is not None and start <= 150 for start in starts) >= 36


def test_a_device_that_becomes_slow_at_the_end_is_not_steady() -> None:
    assert steady_from(np.concatenate([np.ones(500), np.full(100, 1.5)])) is None


@pytest.mark.parametrize("points", [0, 49])
def test_too_short_a_series_shows_nothing(points: int) -> None:
    assert steady_from(np.ones(points)) is None
