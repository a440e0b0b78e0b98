"""Counting numbers into buckets: constant memory, a few hundred nanoseconds each."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

LATENCY_MS = tuple(round(0.05 * 1.12**step, 4) for step in range(120))
"""Upper edges in ms, each 12 % above the one before: from 0.05 ms to half a minute."""

SCORES = tuple(step / 50 for step in range(1, 51))


@dataclass(slots=True, kw_only=True)
class Histogram:
    """Numbers counted into buckets; one thread writes, under the lock of whoever owns it.

    Attributes:
        edges: Upper edges, inclusive, ascending; one more bucket holds what is above them all.
        counts: One for each bucket.
        total: Sum of the numbers.
    """

    edges: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        """Start from nothing where no counts are given."""
        self.counts = self.counts or [0] * (len(self.edges) + 1)

    @property
    def count(self) -> int:
        """How many numbers there were."""
        return sum(self.counts)

    def add(self, value: float) -> None:
        """Count a number."""
        self.counts[bisect_left(self.edges, value)] += 1
        self.total += value

    def copy(self) -> Histogram:
        """Give the same counts, apart from this one."""
        return Histogram(edges=self.edges, counts=list(self.counts), total=self.total)

    def quantile(self, share: float) -> float | None:
        """Give the upper edge of the bucket that a quantile lies in; infinite above the last; None without numbers.

        >>> latency = Histogram(edges=(1.0, 2.0, 4.0))
        >>> for value in (0.5, 1.5, 1.7, 3.0):
        ...     latency.add(value)
        >>> latency.quantile(0.5), latency.quantile(0.99)
        (2.0, 4.0)
        """
        left = share * self.count
        if not self.count:
            return None
        for edge, count in zip((*self.edges, float("inf")), self.counts, strict=True):
            left -= count
            if left <= 0:
                return edge
        return float("inf")
