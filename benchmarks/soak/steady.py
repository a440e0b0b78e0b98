"""The steady part of a soak: which points belong to it, and what its frames say, read once more from disk.

Before, a device is cold or still being warmed up. Where that ends is found with MSER-5: batch the series by five and
cut off so many batches that the standard error of the mean of the rest is smallest (White, "An effective truncation
heuristic for bias reduction in simulation output", Simulation 69, 1997; White, Cobb and Spratt, "A comparison of five
steady-state truncation heuristics for simulation", WSC 2000). A cut in the second half means that no steady state was
reached: the series still moves (Hoad, Robinson and Davies, "Automating warm-up length estimation", JORS 61, 2010).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ..proof.late_bursts import Runs, by_trigger
from .histogram import EMPTY, Histogram, histogram_of, merged, quantile_ns
from .points import Series
from .segment import Segment

_BATCH = 5
_FEWEST_BATCHES = 10


def steady_from(values: NDArray[np.float64]) -> int | None:
    """Find the first value of the steady part of a series.

    Args:
        values: Such as medians of stretches of equal length, in their order; float64 `[n]`.

    Returns:
        Its index, a multiple of 5; None where the series never becomes steady, or is shorter than 50 values.

    >>> warming = np.concatenate([np.linspace(1.0, 2.0, 40), np.full(160, 2.0)])
    >>> steady_from(warming), steady_from(np.linspace(1.0, 2.0, 200)), steady_from(np.ones(49))
    (40, None, None)
    """
    batches = values.size // _BATCH
    if batches < _FEWEST_BATCHES:
        return None
    means = values[: batches * _BATCH].reshape(batches, _BATCH).mean(axis=1)
    cut = int(np.argmin(_squared_errors(means)))
    return cut * _BATCH if cut <= batches // 2 else None


def _squared_errors(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the squared standard error of the mean of what is left after each cut; at least five batches are left."""
    centred = means - means.mean()
    left = np.arange(means.size, 0, -1.0)
    sums, squares = (np.cumsum(each[::-1])[::-1] for each in (centred, centred**2))
    errors = np.maximum(0.0, squares - sums**2 / left) / left**2
    found: NDArray[np.float64] = errors[: means.size - _BATCH + 1]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyFrames:
    """What the frames of the steady part say together.

    Attributes:
        late: How late triggers follow each other.
        near: Likewise nearly late ones.
        work: Time worked on a trigger's frames.
        autocorrelation: Of neighbouring response times, in [-1, 1]; 0 where they do not vary.
    """

    late: Runs
    near: Runs
    work: Histogram
    autocorrelation: float


def steady_places(series: Series) -> dict[int, int]:
    """Find where each session becomes steady: after an interruption a device is cold again.

    Returns:
        Session to the place of its first steady point; without those sessions that never become steady.
    """
    found: dict[int, int] = {}
    for session, group in groupby(series.points, key=lambda each: each.session):
        points = list(group)
        start = steady_from(np.array([quantile_ns(each.response, 0.5) for each in points], dtype=np.float64))
        if start is not None:
            found[session] = points[start].place
    return found


def steady_frames(
    sessions: Iterable[Iterable[Segment]],
    places: dict[int, int],
    *,
    point_ns: int,
    cameras: int,
    limits_ns: tuple[int, int],
) -> SteadyFrames:
    """Read the steady part once more, one segment at a time.

    Args:
        sessions: The segments of each, in order.
        places: What `steady_places` gave.
        point_ns: Time that a point covers.
        cameras: Frames that fall due together.
        limits_ns: Above which responses are late, and nearly late.
    """
    late, near, pairs, work = _Running(limit_ns=limits_ns[0]), _Running(limit_ns=limits_ns[1]), _Pairs(), EMPTY
    for segments in sessions:
        first_ns, rest = None, np.empty((0, 5), dtype=np.int64)
        for each in (late, near, pairs):
            each.interrupt()
        for segment in segments:
            first_ns = int(segment.rows[0, 0]) if first_ns is None else first_ns
            if (place := places.get(segment.facts.session)) is None:
                break
            steady = segment.rows[segment.rows[:, 0] >= first_ns + place * point_ns]
            rows = np.concatenate([rest, steady])
            whole = len(rows) - len(rows) % cameras
            rows, rest = rows[:whole], rows[whole:]
            response_ns = (rows[:, -1] - rows[:, 0]).astype(np.float64)
            pairs.add(response_ns)
            for each in (late, near):
                each.add(by_trigger(response_ns, cameras))
            work_ns = (rows[:, -1] - rows[:, 1]).reshape(-1, cameras).sum(axis=1)  # on all frames of a trigger
            work = merged(work, histogram_of(work_ns))
    return SteadyFrames(late=late.runs(), near=near.runs(), work=work, autocorrelation=pairs.correlation())


@dataclass(slots=True, kw_only=True)
class _Running:
    """Counts series of slow triggers across the borders of segments."""

    limit_ns: int
    triggers: int = 0
    marked: int = 0
    series: int = 0
    longest: int = 0
    running: int = 0

    def add(self, slowest_ns: NDArray[np.float64]) -> None:
        slow = slowest_ns > self.limit_ns
        ends = np.flatnonzero(~np.concatenate([[False], slow, [False]]))
        lengths = np.diff(ends) - 1
        self.series += int(np.count_nonzero(lengths)) - int(bool(slow.size and slow[0] and self.running))
        lengths[0] += self.running
        self.running = int(lengths[-1]) if slow.size and slow[-1] else self.running * (not slow.size)
        self.longest = max(self.longest, int(lengths.max()))
        self.triggers, self.marked = self.triggers + slow.size, self.marked + int(slow.sum())

    def interrupt(self) -> None:
        self.running = 0

    def runs(self) -> Runs:
        return Runs(triggers=self.triggers, marked=self.marked, series=self.series, longest=self.longest)


@dataclass(slots=True, kw_only=True)
class _Pairs:
    """Sums for the correlation of neighbours; values are taken relative to the first one, so that sums stay exact."""

    origin: float | None = None
    last: float | None = None
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))

    def add(self, values: NDArray[np.float64]) -> None:
        if not values.size:
            return
        self.origin = float(np.median(values)) if self.origin is None else self.origin
        moved = values - self.origin
        pairs = moved if self.last is None else np.concatenate([[self.last], moved])
        # sums of products, not `@`: the threads of a BLAS take longer to start than these take to add up
        self.sums += moved.size, moved.sum(), (moved * moved).sum(), (pairs[1:] * pairs[:-1]).sum()
        self.last = float(moved[-1])

    def interrupt(self) -> None:
        self.last = None

    def correlation(self) -> float:
        count, total, squares, products = self.sums
        mean = total / count if count else 0.0
        power = squares - count * mean**2
        return float(np.clip((products - count * mean**2) / power, -1, 1)) if power > 0 else 0.0
