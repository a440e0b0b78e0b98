"""Response times of any number of frames in constant memory, each quantile within a known error.

Buckets are those of HdrHistogram (G. Tene): every power of two is cut into 256 equal parts, so a bucket is at most
1/256 of its values wide, and values below 512 ns have one each. Only buckets that hold something are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from ...inspection.base.errors import MeasurementError

_PARTS_BITS = 8
RELATIVE_ERROR = 2.0**-_PARTS_BITS
"""A quantile is never given below its true value, and at most by this share above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How often each bucket was hit; at most 14,336 buckets whatever is counted.

    Attributes:
        buckets: Ascending, int64 `[n]`; see `_bucket_of`.
        counts: Hits, int64 `[n]`, each >= 1.
        largest_ns: Largest value counted, exact; 0 where nothing was.
    """

    buckets: NDArray[np.int64]
    counts: NDArray[np.int64]
    largest_ns: int

    @property
    def frames(self) -> int:
        """Values counted."""
        return int(self.counts.sum())


EMPTY = Histogram(buckets=np.empty(0, dtype=np.int64), counts=np.empty(0, dtype=np.int64), largest_ns=0)


def histogram_of(values_ns: NDArray[np.int64]) -> Histogram:
    """Count values, int64 `[n]`, each >= 0.

    Raises:
        MeasurementError: A value is negative.
    """
    if not values_ns.size:
        return EMPTY
    if values_ns.min() < 0:
        msg = f"response times must not be negative, got {values_ns.min()} ns; the trace is damaged: measure again"
        raise MeasurementError(msg)
    buckets, counts = np.unique(_bucket_of(values_ns), return_counts=True)
    return Histogram(buckets=buckets, counts=counts, largest_ns=int(values_ns.max()))


def merged(*histograms: Histogram) -> Histogram:
    """Add histograms up; the order does not matter.

    >>> both = merged(histogram_of(np.array([5, 7])), histogram_of(np.array([7])))
    >>> both.buckets.tolist(), both.counts.tolist(), both.largest_ns
    ([5, 7], [1, 2], 7)
    """
    buckets, where = np.unique(np.concatenate([each.buckets for each in (EMPTY, *histograms)]), return_inverse=True)
    counts = np.zeros(buckets.size, dtype=np.int64)
    np.add.at(counts, where, np.concatenate([each.counts for each in (EMPTY, *histograms)]))
    return Histogram(
        buckets=buckets, counts=counts, largest_ns=max((each.largest_ns for each in histograms), default=0)
    )


def quantile_ns(histogram: Histogram, share: float) -> int:
    """Give the smallest value that at least this share of the values does not exceed, rounded up to its bucket's end.

    Args:
        histogram: Of at least one value.
        share: In (0, 1].

    Raises:
        MeasurementError: Nothing was counted.

    >>> times = histogram_of(np.arange(1, 1_000_001))
    >>> quantile_ns(times, 0.5), quantile_ns(times, 1.0)
    (500735, 1000000)
    """
    if not histogram.counts.size:
        msg = "a quantile wants at least 1 frame, got 0; measure for longer"
        raise MeasurementError(msg)
    rank = max(1, ceil(share * histogram.frames))
    bucket = int(histogram.buckets[np.searchsorted(np.cumsum(histogram.counts), rank)])
    return min(_last_of(bucket), histogram.largest_ns)


def above(histogram: Histogram, limit_ns: int) -> int:
    """Count the values above a limit; those in the limit's own bucket count too, so that it is never too few.

    >>> above(histogram_of(np.array([10, 20, 30])), 19)
    2
    """
    if limit_ns < 0:
        return histogram.frames
    over = np.array([_last_of(int(bucket)) > limit_ns for bucket in histogram.buckets], dtype=np.bool_)
    return int(histogram.counts[over].sum())


def _bucket_of(values_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number buckets without gaps: shift values until 9 bits are left, and put each shift behind the one before."""
    highest_bit = np.frexp(values_ns.astype(np.float64))[1]
    rounded_up = (values_ns >> np.maximum(0, highest_bit - 1).astype(np.int64)) == 0
    shift = np.maximum(0, highest_bit - rounded_up - _PARTS_BITS - 1).astype(np.int64)
    buckets: NDArray[np.int64] = (shift << _PARTS_BITS) + (values_ns >> shift)
    return buckets


def _last_of(bucket: int) -> int:
    """Give a bucket's largest value."""
    shift = max(0, (bucket >> _PARTS_BITS) - 1)
    return ((bucket - (shift << _PARTS_BITS) + 1) << shift) - 1
