"""Was the device in one state all the time, and are its late frames independent? The proof rests on both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .measurement import Measurement

_BLOCKS = 200
_FEWEST_NEAR_MISSES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Steadiness:
    """How the response times of a run's judged frames hang together.

    Attributes:
        autocorrelation: Of neighbouring response times (lag 1), in [-1, 1]; 0 where they do not vary.
        drift_p_value: Mann-Kendall trend test over 200 block medians, two-sided.
        drift_ms: Theil-Sen slope times the length of the run: how much slower its end is than its beginning.
        cluster_frames: Mean length of spells of nearly late frames (above the middle between median and deadline),
            the reciprocal of the extremal index by the runs estimator (Smith and Weissman, "Estimating the extremal
            index", JRSS B 56, 1994); 1 where there are fewer than 10 such frames.
        slowest_ms: Largest response time.
    """

    autocorrelation: float
    drift_p_value: float
    drift_ms: float
    cluster_frames: float
    slowest_ms: float


def steadiness(measurement: Measurement, *, deadline_ms: float) -> Steadiness:
    """Look for drift and for late frames that come in spells.

    Args:
        measurement: With any number of judged frames; fewer than 10 show no drift.
        deadline_ms: Where a frame is late.
    """
    response_ms = measurement.response_ns / 1e6
    p_value, drift_ms = _drift(response_ms)
    return Steadiness(
        autocorrelation=_autocorrelation(response_ms),
        drift_p_value=p_value,
        drift_ms=drift_ms,
        cluster_frames=_cluster_frames(response_ms, deadline_ms),
        slowest_ms=float(response_ms.max()) if response_ms.size else 0.0,
    )


def _autocorrelation(values: NDArray[np.float64]) -> float:
    centred = values - values.mean() if values.size else values
    power = float(centred @ centred)
    return float(centred[1:] @ centred[:-1]) / power if power > 0 else 0.0


def _drift(values: NDArray[np.float64]) -> tuple[float, float]:
    from scipy.stats import kendalltau, theilslopes

    if values.size < 10:
        return 1.0, 0.0
    blocks = np.array([np.median(block) for block in np.array_split(values, min(_BLOCKS, values.size))])
    if np.ptp(blocks) == 0:
        return 1.0, 0.0
    order = np.arange(blocks.size)
    return float(kendalltau(order, blocks).pvalue), float(theilslopes(blocks, order).slope) * (blocks.size - 1)


def _cluster_frames(values: NDArray[np.float64], deadline_ms: float) -> float:
    if values.size < _FEWEST_NEAR_MISSES:
        return 1.0
    near = values > (min(float(np.median(values)), deadline_ms) + deadline_ms) / 2
    if near.sum() < _FEWEST_NEAR_MISSES:
        return 1.0
    spells = int(near[0]) + int(np.count_nonzero(near[1:] & ~near[:-1]))
    return float(near.sum() / spells)
