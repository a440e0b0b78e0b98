"""The course of one trial through the rungs: what is next, and when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ...compress.recipe import RecipeSettings
from ...compress.training.fit_settings import FitSettings
from ...compress.training.teacher_terms import DistillWeights
from ...inspection.line.gates import Gates
from ...inspection.line.line import LineBudget
from ..stages.rows import RowPlan
from .halving import Score, goes_on
from .points import Point, recipe_of, trial_name
from .tasks import Answer, Kind, Task
from .trials import Ending, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """What all courses of a search have in common.

    Attributes:
        fit: How a student is trained in the end.
        teacher: The weights of the teacher's terms.
        rungs: Epochs of each rung.
        input_size: The teacher's `[height, width]`.
        budget: The belt's.
        gates: What must hold.
    """

    fit: FitSettings
    teacher: DistillWeights
    rungs: tuple[int, ...]
    input_size: tuple[int, int]
    budget: LineBudget
    gates: Gates

    def recipe(self, point: Point, number: int, *, epochs: int | None = None) -> RecipeSettings:
        """Write a trial's recipe, with the epochs of a rung or all of them."""
        fit = self.fit if epochs is None else self.fit.model_copy(update={"epochs": epochs})
        name = trial_name(number)
        return recipe_of(point, name=name, fit=fit, teacher=self.teacher, input_size=self.input_size)


@dataclass(slots=True, kw_only=True)
class Course:
    """A trial under way: drawn, timed untrained, graded rung by rung, and timed at line rate at the end.

    One that has grades already was stopped before, and goes on at its next rung.

    Attributes:
        track: Of the search.
        point: What the trial is made of.
        trial: What is known so far.
        task: What is to be done next; None: it has ended.
        elsewhere: The scores of all other trials at each rung, kept by the search.
    """

    track: Track
    point: Point
    trial: Trial
    elsewhere: Sequence[list[Score]]
    task: Task | None = field(init=False)

    def __post_init__(self) -> None:
        """Begin at the drawing board, or where the trial was stopped."""
        passed = len(self.trial.grades)
        self.task = self._task("grade", epochs=self.track.rungs[passed]) if passed else self._task("draw")

    def take(self, answer: Answer, *, seconds: float) -> None:
        """Go on from an answer to the next task, or end.

        Args:
            answer: To this course's task.
            seconds: Of search so far, for the record.
        """
        if answer.error is not None:
            self._end("failed", seconds, error=answer.error)
        elif answer.kind == "draw":
            self.task = replace(self._task("time"), artifact=answer.artifact)
        elif answer.kind == "time":
            self._timed(answer, seconds)
        else:
            self._graded(answer, seconds)

    @property
    def violations(self) -> tuple[float, float]:
        """See `Trial.violations`."""
        return self.trial.violations(self.track.budget, self.track.gates)

    def _timed(self, answer: Answer, seconds: float) -> None:
        self.trial = replace(self.trial, drawn=self.trial.drawn or answer.timing, timing=answer.timing)
        if self.violations[0] > 0:
            self._end("too slow", seconds)
        elif answer.timing is not None and answer.timing.trained:
            self._end("whole", seconds)
        else:
            self.task = self._task("grade", epochs=self.track.rungs[0])

    def _graded(self, answer: Answer, seconds: float) -> None:
        if answer.grade is None:
            self._end("failed", seconds, error="it was graded without a grade")
            return
        self.trial = replace(self.trial, grades=(*self.trial.grades, answer.grade))
        rung, score = len(self.trial.grades), self.trial.rung_scores[-1]
        before = self.elsewhere[rung - 1]
        if rung == len(self.track.rungs):
            self.task = replace(self._task("time"), artifact=answer.artifact, paced=True)
        elif not goes_on(score, before):
            self._end("stopped", seconds)
        else:
            self.task = self._task("grade", epochs=self.track.rungs[rung])
        before.append(score)

    def _task(self, kind: Kind, *, epochs: int | None = None) -> Task:
        number = self.trial.number
        recipe = self.track.recipe(self.point, number, epochs=epochs)
        plan = RowPlan(
            name=recipe.name, role="candidate", backend=recipe.backend, steps=recipe.steps, threads=recipe.threads
        )
        return Task(trial=number, kind=kind, plan=plan)

    def _end(self, ending: Ending, seconds: float, *, error: str | None = None) -> None:
        self.trial = replace(self.trial, ending=ending, error=error, ended_s=round(seconds, 1))
        self.task = None
