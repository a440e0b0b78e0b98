"""Successive halving with two objectives: who is worth training longer.

Each rung trains for three times as many epochs as the one before, and only the better third of those that reached a
rung goes on (Jamieson and Talwalkar 2016, arXiv 1502.07943). The decision is taken when a trial arrives, among those
that arrived before it (ASHA, Li et al. 2020, arXiv 1810.05934): nobody waits, and the first ones always go on. One that
was stopped goes on after all once later ones show that it belongs to the better third.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log

REDUCTION = 3
_FASTEST_MS = 1e-6
_FEWEST = 1e-3
"""Escape rates below it count as equal to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a trial is judged by; less is better.

    Attributes:
        p99_ms: Of the engine, > 0.
        escape_rate: Share of val's defective parts passed at the overkill gate, in [0, 1].
    """

    p99_ms: float
    escape_rate: float

    def beats(self, other: Score) -> bool:
        """Whether it is better in one and not worse in the other."""
        no_worse = self.p99_ms <= other.p99_ms and self.escape_rate <= other.escape_rate
        return no_worse and (self.p99_ms, self.escape_rate) != (other.p99_ms, other.escape_rate)


def rung_epochs(epochs: int, halvings: int, *, fewest: int = 1) -> tuple[int, ...]:
    """Give the epochs of each rung, the last with all of them; one with less than `fewest` is left out.

    >>> rung_epochs(16, 2), rung_epochs(16, 2, fewest=3), rung_epochs(2, 2, fewest=3), rung_epochs(5, 0)
    ((2, 6, 16), (6, 16), (2,), (5,))
    """
    earlier = {ceil(epochs / REDUCTION**power) for power in range(1, halvings + 1)}
    return (*sorted(each for each in earlier if fewest <= each < epochs), epochs)


def ranked(scores: Sequence[Score]) -> list[int]:
    """Order positions from best to worst: front by front (Deb et al. 2002), within a front by its own area.

    The area (hypervolume) that a point alone adds to its front is measured from twice the slowest time and from
    "every defect passes", both as logarithms: half the escapes are worth as much as half the time, and what is fast and
    sees nothing adds nothing.

    >>> points = [(2, 0.1), (1, 1.0), (2, 0.2), (1, 0.5)]
    >>> ranked([Score(p99_ms=time, escape_rate=escape) for time, escape in points])
    [0, 3, 2, 1]
    """
    left, order = list(range(len(scores))), list[int]()
    while left:
        front = [one for one in left if not any(scores[other].beats(scores[one]) for other in left)]
        areas = _own_areas([scores[position] for position in front])
        order += [front[place] for place in sorted(range(len(front)), key=lambda place: -areas[place])]
        left = [position for position in left if position not in set(front)]
    return order


def goes_on(score: Score, before: Sequence[Score]) -> bool:
    """Whether a trial is among the better third of those that reached its rung, itself included.

    >>> early = [Score(p99_ms=1, escape_rate=0.3), Score(p99_ms=2, escape_rate=0.2)]
    >>> goes_on(Score(p99_ms=3, escape_rate=0.3), early), goes_on(Score(p99_ms=1, escape_rate=0.1), early)
    (False, True)
    """
    return len(before) in better_third([*before, score])


def better_third(scores: Sequence[Score]) -> list[int]:
    """Give the positions of those worth training longer, best first; of one or two that is one."""
    return ranked(scores)[: ceil(len(scores) / REDUCTION)]


def pareto_front(scores: Sequence[Score]) -> list[int]:
    """Give the positions that no other one beats, from fast to slow; of equal ones the first."""
    first = {score: position for position, score in reversed(list(enumerate(scores)))}
    found = [position for score, position in first.items() if not any(other.beats(score) for other in scores)]
    return sorted(found, key=lambda position: scores[position].p99_ms)


def area(scores: Sequence[Score], *, slowest_ms: float) -> float:
    """Give the area that scores dominate, up to a time and an escape rate of 1, both as logarithms.

    >>> round(area([Score(p99_ms=1, escape_rate=0.5)], slowest_ms=2.718281828), 4)
    0.6931
    """
    edge = [scores[position] for position in pareto_front(scores) if scores[position].p99_ms < slowest_ms]
    ends = [*(each.p99_ms for each in edge[1:]), slowest_ms][: len(edge)]
    widths = [log(end) - log(max(each.p99_ms, _FASTEST_MS)) for each, end in zip(edge, ends, strict=True)]
    return sum(width * -log(max(each.escape_rate, _FEWEST)) for width, each in zip(widths, edge, strict=True))


def _own_areas(front: Sequence[Score]) -> list[float]:
    """Say what each point of a front adds to it; one of several equal points adds nothing but comes in turn."""
    slowest_ms = 2 * max(each.p99_ms for each in front)
    whole = area(front, slowest_ms=slowest_ms)
    return [whole - area([*front[:place], *front[place + 1 :]], slowest_ms=slowest_ms) for place in range(len(front))]
