"""A soak as it was read, and what it is held against."""

from __future__ import annotations

from dataclasses import dataclass

from ...inspection.line.arrivals import Arrivals
from ...inspection.line.gates import MissGate
from .folder import SoakSession
from .plan import SoakPlan
from .points import Point, Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a soak is held against.

    Attributes:
        arrivals: When frames were due.
        deadline_ms: Where a frame is late.
        gate: Allowed miss rate and confidence.
        asked_s: How long the belt was to run.
        measured_s: How long it did.
    """

    arrivals: Arrivals
    deadline_ms: float
    gate: MissGate
    asked_s: float
    measured_s: float

    @property
    def complete(self) -> bool:
        """Whether the belt ran as long as asked, up to two triggers."""
        return self.measured_s >= self.asked_s - 2e-9 * self.arrivals.period_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is kept of a soak in memory; its frames stay on disk.

    Attributes:
        plan: What was soaked.
        sessions: Those with frames, oldest first.
        series: Its points.
        places: Session to the place of its first steady point; without those that never became steady.
        question: What it is held against.
    """

    plan: SoakPlan
    sessions: tuple[SoakSession, ...]
    series: Series
    places: dict[int, int]
    question: Question

    @property
    def steady_points(self) -> tuple[Point, ...]:
        """The points that are judged."""
        return tuple(each for each in self.series.points if self.is_steady(each))

    @property
    def points_before(self) -> tuple[Point, ...]:
        """The points that are not."""
        return tuple(each for each in self.series.points if not self.is_steady(each))

    def is_steady(self, point: Point) -> bool:
        """Say whether a point belongs to the steady part."""
        return point.session in self.places and point.place >= self.places[point.session]
