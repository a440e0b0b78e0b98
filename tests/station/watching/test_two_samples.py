"""The distance and its p-value, against SciPy and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from beltline.station.watching.two_samples import smirnov_distance, smirnov_p_value
from scipy import special, stats


@pytest.mark.parametrize(("m", "n", "shift"), [(512, 500, 0.0), (512, 500, 0.2), (40, 300, 0.5), (700, 50, 3.0)])
def test_distance_and_p_value_are_those_of_scipy(m: int, n: int, shift: float) -> None:
    rng = np.random.default_rng(m + n)
    reference, sample = np.sort(rng.normal(size=m)), rng.normal(shift, 1, n)
    expected = stats.ks_2samp(reference, sample)
    distance = smirnov_distance(reference, sample)
    assert distance == pytest.approx(expected.statistic, abs=1e-12)
    limit = special.kolmogorov(np.sqrt(m * n / (m + n)) * distance)
    assert smirnov_p_value(distance, frames=n, reference_frames=m) == pytest.approx(limit, abs=1e-9)


def test_ties_are_counted_once() -> None:
    grey = np.repeat(np.arange(5.0), 20)
    assert smirnov_distance(grey, grey[::-1]) == 0
    assert smirnov_distance(grey, grey + 1) == pytest.approx(0.2)


@pytest.mark.parametrize("m", [100, 512])
def test_the_p_value_is_never_smaller_than_the_exact_one(m: int) -> None:
    for place in range(1, 40):
        distance = place / 60
        exact = stats.distributions.kstwo.sf(distance, round(m * 500 / (m + 500)))
        assert smirnov_p_value(distance, frames=500, reference_frames=m) >= 0.98 * exact


def test_alarms_by_chance_are_no_more_than_promised_also_with_a_tolerated_share_of_others() -> None:
    rng = np.random.default_rng(11)
    tolerated, alarms, runs = 0.05, 0, 2000
    for _ in range(runs):
        reference = np.sort(rng.uniform(size=300))
        sample = rng.uniform(size=200)
        sample[:10] = 9.0
        distance = smirnov_distance(reference, sample)
        alarms += smirnov_p_value(distance, frames=200, reference_frames=300, tolerated_share=tolerated) < 0.05
    assert alarms <= stats.binom.ppf(0.999, runs, 0.05)


def test_more_than_the_tolerated_share_is_found() -> None:
    rng = np.random.default_rng(12)
    reference, sample = np.sort(rng.uniform(size=500)), rng.uniform(size=500)
    sample[:200] = 9.0
    distance = smirnov_distance(reference, sample)
    assert smirnov_p_value(distance, frames=500, reference_frames=500, tolerated_share=0.05) < 1e-15
