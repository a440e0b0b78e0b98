"""What is known of a trial, as it stands in the study: JSON-able facts under its user attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ...inspection.line.gates import Gates
from ...inspection.line.line import LineBudget
from .halving import Score

Ending = Literal["whole", "stopped", "too slow", "failed", "under way"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long an artifact takes; of several devices the slowest counts.

    Attributes:
        engine_p99_ms: 99th percentile in the engine: the objective.
        p50_ms: Median of whole decisions.
        p99_ms: 99th percentile of whole decisions.
        paced: Whether it was measured at line rate.
        trained: Whether these were the trained weights' channels.
    """

    engine_p99_ms: float
    p50_ms: float
    p99_ms: float
    paced: bool
    trained: bool

    def lateness(self, budget: LineBudget) -> float:
        """Say by how much it is too slow for the belt, as a share: > 0 misses deadlines or cannot keep up."""
        gap_ms = 1000 / budget.arrivals.frames_per_s
        return max(self.p99_ms / budget.deadline_ms, self.p50_ms / gap_ms) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """How well a student sorts val after one rung.

    Attributes:
        epochs: It was trained for.
        escapes: Defective parts passed at the overkill gate.
        defects: Of so many.
        increase: Rise of the escape rate over the teacher's on the same parts.
        auroc: On val.
        size_bytes: Of the artifact.
    """

    epochs: int
    escapes: int
    defects: int
    increase: float
    auroc: float
    size_bytes: int

    @property
    def escape_rate(self) -> float:
        """Share of defective parts passed."""
        return self.escapes / self.defects


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A trial as far as it came.

    Attributes:
        number: In the study, from 0.
        words: What it is made of.
        ending: How it ended.
        drawn: Timed untrained, back to back, as every trial is: what trials are compared by while the search goes on.
        timing: The latest; None where it was not timed.
        grades: One for each rung that it reached.
        error: Why it failed.
        ended_s: Seconds of search until it ended; None: it has not.
    """

    number: int
    words: str
    ending: Ending
    drawn: Timing | None = None
    timing: Timing | None = None
    grades: tuple[Grade, ...] = ()
    error: str | None = None
    ended_s: float | None = None

    @property
    def score(self) -> Score | None:
        """Its objectives at the highest rung that it reached, by the latest timing; None before the first."""
        return _score(self.timing, self.grades)

    @property
    def rung_scores(self) -> tuple[Score, ...]:
        """What it is compared by with trials that came as far, rung by rung: at line rate only some are timed."""
        reached = (self.grades[: count + 1] for count in range(len(self.grades)))
        return tuple(score for grades in reached if (score := _score(self.drawn, grades)) is not None)

    def violations(self, budget: LineBudget, gates: Gates) -> tuple[float, float]:
        """Say by how much it breaks the gates, as far as val can tell: lateness, and rise of escapes; > 0 breaks.

        The overkill gate holds on val by the threshold's choice. What is seen on val guides the search; it is on test
        that the gates are judged, with their confidence.
        """
        late = self.timing.lateness(budget) if self.timing else 0.0
        risen = self.grades[-1].increase - gates.escape.max_increase if self.grades else 0.0
        return late, risen

    def holds(self, budget: LineBudget, gates: Gates) -> bool:
        """Whether it was trained whole and breaks no gate on val."""
        return self.ending == "whole" and max(self.violations(budget, gates)) <= 0

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form that `trial_from_json` reads."""
        return asdict(self)


def trial_from_json(facts: Mapping[str, Any]) -> Trial:
    """Read what `Trial.to_json` wrote."""
    timings = {name: Timing(**found) if (found := facts.get(name)) else None for name in ("drawn", "timing")}
    grades = tuple(Grade(**each) for each in facts["grades"])
    return Trial(**{**facts, **timings, "grades": grades})


def _score(timing: Timing | None, grades: Sequence[Grade]) -> Score | None:
    if timing is None or not grades:
        return None
    return Score(p99_ms=timing.engine_p99_ms, escape_rate=grades[-1].escape_rate)
