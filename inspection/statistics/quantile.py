"""Quantiles: one definition for every p50, p99 and p999 of Beltline.

The quantile of a share is the smallest value that at least this share of the values does not exceed (the inverse of the
empirical distribution, definition 1 of R. Hyndman and Y. Fan, "Sample quantiles in statistical packages", The American
Statistician 50, 1996). Nothing is interpolated: a p99 is a time that a frame took.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_INTERVAL_CONFIDENCE = 0.95


def quantile(values: ArrayLike, share: float) -> float:
    """Give the smallest value that at least a share, in (0, 1), of one or more values does not exceed.

    >>> quantile([5, 1, 4, 2, 3], 0.5), quantile(range(1, 101), 0.99), quantile([1.0, 2.0], 0.5)
    (3.0, 99.0, 1.0)
    """
    return float(np.quantile(np.asarray(values), share, method="inverted_cdf"))


def quantiles(values: NDArray[Any], shares: Sequence[float], *, axis: int | None = None) -> NDArray[np.float64]:
    """Give `quantile` for several shares, float64 `[shares]`, or `[shares, ...]` along an axis.

    >>> quantiles(np.array([5, 1, 4, 2, 3]), [0.5, 0.99]).tolist()
    [3.0, 5.0]
    """
    found: NDArray[np.float64] = np.quantile(values, shares, axis=axis, method="inverted_cdf").astype(np.float64)
    return found


def quantile_interval(ordered: NDArray[np.float64], share: float) -> list[float | None]:
    """Bound a quantile by order statistics, without any assumption on the distribution (two-sided, 95 %).

    The number of values below the true quantile is binomial, so the ends are the values at binomial quantiles
    (David and Nagaraja, Order Statistics, 2003, section 7.1).

    Args:
        ordered: Ascending values, float64 `[n]`.
        share: Which quantile, in (0, 1).

    Returns:
        Lower and upper end; None where even the smallest (largest) value is not far enough out.

    >>> quantile_interval(np.arange(1.0, 101.0), 0.5)
    [40.0, 61.0]
    >>> quantile_interval(np.arange(1.0, 101.0), 0.99)
    [97.0, None]
    """
    from scipy.stats import binom

    tail = (1 - _INTERVAL_CONFIDENCE) / 2
    low = int(binom.ppf(tail, ordered.size, share))
    high = int(binom.ppf(1 - tail, ordered.size, share)) + 1
    return [
        float(ordered[low - 1]) if low >= 1 else None,
        float(ordered[high - 1]) if high <= ordered.size else None,
    ]
