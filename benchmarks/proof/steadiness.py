"""Was the device in one state all the time, and do its frames hang together? The proof rests on both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil, erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from ...inspection.line.gates import MissGate
from ...inspection.line.stalls import stall_ms_for
from ..timing.measurement import Measurement
from .late_bursts import LateBursts, belt_of, by_trigger, late_bursts_of

_BLOCKS = 200
_FEWEST_FRAMES = 10
_SLOW = 0.95
_OUT_OF_REACH = 8.0
"""A deadline eight times as far from the median as the 95th percentile is."""

_CHANCE_DEVIATIONS = 2.33
"""Of independent values the correlation is normal with deviation 1 / sqrt(n): above this in 1 of 100 runs."""

_MOST_CORRELATION = 0.9999


@dataclass(frozen=True, slots=True, kw_only=True)
class Steadiness:
    """How the response times of a run's judged frames hang together.

    Attributes:
        autocorrelation: Of neighbouring response times (lag 1), in [-1, 1]; 0 where they do not vary. Far from the
            deadline it does no harm; near it, `bursts` shows what it does.
        drift_p_value: Mann-Kendall trend test over 200 block medians, two-sided.
        drift_ms: Theil-Sen slope times the length of the run: how much slower its end is than its beginning.
        late_after_drift: Frames that would be late if all became slower by as much again.
        slowest_ms: Largest response time.
        cluster_frames: As in `bursts`.
        bursts: How long late and nearly late frames come in a row.
        correlated_frames: Frames that say as much as one independent one, (1 + r) / (1 - r) for the lag-1 correlation
            r of ranks (an AR(1) process; G. Box, G. Jenkins, Time Series Analysis, 1970); 1 where r may be chance, or
            where the deadline is so far off that this ebb and flow does not reach it.
        correlated_stall_ms: The stall that makes so many frames late.
    """

    autocorrelation: float
    drift_p_value: float
    drift_ms: float
    late_after_drift: int
    slowest_ms: float
    cluster_frames: float
    bursts: LateBursts
    correlated_frames: float = 1.0
    correlated_stall_ms: int = 0


def steadiness(measurement: Measurement, *, deadline_ms: float, gate: MissGate | None = None) -> Steadiness:
    """Look for drift and for late frames that come in bursts.

    Args:
        measurement: With any number of judged frames; fewer than 10 show no drift.
        deadline_ms: Where a frame is late.
        gate: What bursts are held against; None: the gate that line.yaml has by default.
    """
    response_ms = measurement.response_ns / 1e6
    p_value, drift_ms = drift_of(response_ms)
    bursts = late_bursts_of(measurement, deadline_ms=deadline_ms, gate=gate or MissGate())
    belt = belt_of(measurement)
    correlated = belt.cameras * _correlated(by_trigger(response_ms, belt.cameras), deadline_ms)
    return Steadiness(
        autocorrelation=_autocorrelation(response_ms),
        drift_p_value=p_value,
        drift_ms=drift_ms,
        late_after_drift=int(np.count_nonzero(response_ms + max(0.0, drift_ms) > deadline_ms)),
        slowest_ms=float(response_ms.max()) if response_ms.size else 0.0,
        cluster_frames=bursts.cluster_frames,
        bursts=bursts,
        correlated_frames=correlated,
        correlated_stall_ms=stall_ms_for(
            ceil(correlated), arrivals=belt, deadline_ms=deadline_ms, utilisation=bursts.utilisation
        ),
    )


def _autocorrelation(values: NDArray[np.float64]) -> float:
    centred = values - values.mean() if values.size else values
    power = float(np.square(centred).sum())
    return float((centred[1:] * centred[:-1]).sum()) / power if power > 0 else 0.0


def _correlated(values: NDArray[np.float64], deadline_ms: float) -> float:
    if values.size < _FEWEST_FRAMES:
        return 1.0
    median, slow = np.quantile(values, (0.5, _SLOW))
    if deadline_ms - median > _OUT_OF_REACH * (slow - median):
        return 1.0
    ranks = np.searchsorted(np.sort(values), values).astype(np.float64)
    correlation = _autocorrelation(ranks)
    if correlation * values.size**0.5 < _CHANCE_DEVIATIONS:
        return 1.0
    return (1 + correlation) / (1 - min(correlation, _MOST_CORRELATION))


def drift_of(values: NDArray[np.float64]) -> tuple[float, float]:
    """Test a series for a trend; see `Steadiness`.

    Returns:
        The p-value, and how much larger the last value is than the first, by the slope.
    """
    if values.size < _FEWEST_FRAMES:
        return 1.0, 0.0
    blocks = _block_medians(values, min(_BLOCKS, values.size))
    if np.ptp(blocks) == 0:
        return 1.0, 0.0
    early, late = _pairs(blocks.size)
    rises = blocks[late] - blocks[early]
    slope = float(np.median(rises / (late - early)))
    return _trend_p_value(int(np.sign(rises).sum()), blocks), slope * (blocks.size - 1)


@cache
def _pairs(blocks: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    early, late = np.triu_indices(blocks, 1)
    return early, late


def _trend_p_value(score: int, blocks: NDArray[np.float64]) -> float:
    """Give the two-sided p-value of Mann and Kendall's score (M. Kendall, Rank Correlation Methods, 1975, chapter 4).

    Without a trend the score is close to normal, its variance n (n - 1) (2 n + 5) / 18, less what ties take off.
    """
    ties = np.unique(blocks, return_counts=True)[1]
    sizes = np.concatenate([[blocks.size], ties]).astype(np.float64)
    terms = sizes * (sizes - 1) * (2 * sizes + 5) / 18
    return erfc(abs(score) / sqrt(2 * (terms[0] - terms[1:].sum())))


def _block_medians(values: NDArray[np.float64], blocks: int) -> NDArray[np.float64]:
    """Give the median of each block; the first ones are longer by one where the values do not divide evenly."""
    short, longer = divmod(values.size, blocks)
    split = longer * (short + 1)
    parts = (values[:split].reshape(longer, short + 1), values[split:].reshape(blocks - longer, short))
    return np.concatenate([np.median(part, axis=1) for part in parts if part.size])
