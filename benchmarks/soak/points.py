"""A soak as a series of at most some two thousand points, however long it lasts: a stream in, constant memory.

Points begin as stretches of a second (20 triggers at least). When there are too many, neighbours are merged two by two
and each covers twice the time. Counts stay exact, quantiles within the histogram's error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ..proof.miss_rate import starts_of
from .histogram import Histogram, histogram_of, merged
from .segment import Rows, Segment

_MOST_POINTS = 2_048
_FEWEST_POINT_NS = 1_000_000_000
_FEWEST_TRIGGERS = 20
_MINUTE_NS = 60_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The frames that fell due within a stretch of a session.

    Attributes:
        session: Which session.
        place: Its number in the session: it begins `place` times the length of points after the session's belt.
        frames: Counted in it.
        misses: Late ones among them.
        bursts: Series of late frames that begin in it.
        response: Their response times.
        conditions: The last reading of each condition in it, or before; see `targets.conditions`.
        counters: Likewise of what only ever grows.
    """

    session: int
    place: int
    frames: int
    misses: int
    bursts: int
    response: Histogram
    conditions: dict[str, float | None]
    counters: dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """All points of a soak, in order.

    Attributes:
        point_ns: Time that each covers (of the belt).
        points: None is empty: where no frame fell due there is none.
        first_minute: The first minute of the first session; None where there is no frame.
    """

    point_ns: int
    points: tuple[Point, ...]
    first_minute: Point | None


def series_of(sessions: Iterable[Iterable[Segment]], *, deadline_ns: int, period_ns: int, cameras: int) -> Series:
    """Gather a soak's points from its segments, read one at a time.

    Args:
        sessions: The segments of each, in order.
        deadline_ns: Response times above it are misses.
        period_ns: From trigger to trigger.
        cameras: Frames that fall due together.
    """
    point_ns, points, minute = max(_FEWEST_POINT_NS, _FEWEST_TRIGGERS * period_ns), list[Point](), list[Point]()
    for segments in sessions:
        late, first_ns = _Late(deadline_ns=deadline_ns, cameras=cameras), None
        for segment in segments:
            first_ns = int(segment.rows[0, 0]) if first_ns is None else first_ns
            in_minute = segment.rows[segment.rows[:, 0] < first_ns + _MINUTE_NS]
            if len(in_minute) and (not points or points[0].session == segment.facts.session):
                minute.append(replace(late).point(in_minute, segment, 0))
            for place, rows in by_place(segment.rows, first_ns, point_ns):
                _append(points, late.point(rows, segment, place))
            if len(points) > _MOST_POINTS:
                point_ns, points = 2 * point_ns, _halved(points)
    return Series(point_ns=point_ns, points=tuple(points), first_minute=joined(minute))


def joined(points: Iterable[Point]) -> Point | None:
    """Add points up as if they were one; None where there are none."""
    found = list(points)
    if not found:
        return None
    return replace(
        found[-1],
        place=found[0].place,
        frames=sum(each.frames for each in found),
        misses=sum(each.misses for each in found),
        bursts=sum(each.bursts for each in found),
        response=merged(*(each.response for each in found)),
    )


@dataclass(slots=True, kw_only=True)
class _Late:
    """Counts late frames across the borders of segments and points."""

    deadline_ns: int
    cameras: int
    before: NDArray[np.bool_] | None = None

    def point(self, rows: Rows, segment: Segment, place: int) -> Point:
        response_ns = rows[:, -1] - rows[:, 0]
        late = response_ns > self.deadline_ns
        before = np.zeros(0, dtype=np.bool_) if self.before is None else self.before
        starts = starts_of(np.concatenate([before, late]), cameras=self.cameras)[before.size :]
        self.before = np.concatenate([before, late])[-self.cameras :]
        return Point(
            session=segment.facts.session,
            place=place,
            frames=len(rows),
            misses=int(late.sum()),
            bursts=int(starts.sum()),
            response=histogram_of(response_ns),
            conditions=segment.facts.conditions,
            counters=segment.facts.counters,
        )


def by_place(rows: Rows, first_ns: int, point_ns: int) -> Iterator[tuple[int, Rows]]:
    """Cut rows up by the point that they fall due in; gives each point's place and its rows."""
    places = (rows[:, 0] - first_ns) // point_ns
    borders = np.flatnonzero(np.diff(places)) + 1
    for part in np.split(np.arange(len(rows)), borders):
        yield int(places[part[0]]), rows[part[0] : part[-1] + 1]


def _append(points: list[Point], point: Point) -> None:
    """Add a point, or merge it with the last one where a segment's border cut it in two."""
    last = points[-1] if points else None
    if last is not None and (last.session, last.place) == (point.session, point.place):
        points[-1] = joined([last, point]) or point
    else:
        points.append(point)


def _halved(points: list[Point]) -> list[Point]:
    wider = (replace(each, place=each.place // 2) for each in points)
    pairs = groupby(wider, key=lambda each: (each.session, each.place))
    return [found for _, group in pairs if (found := joined(group)) is not None]
