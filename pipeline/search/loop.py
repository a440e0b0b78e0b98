"""The loop of a search: the course of each trial through the rungs, tasks to an engine, results to the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ...compress.recipe import RecipeSettings
from ...compress.training.fit_settings import FitSettings
from ...compress.training.teacher_terms import DistillWeights
from ...inspection.base.errors import BeltlineError
from ...inspection.line.gates import Gates
from ...inspection.line.line import LineBudget
from ..stages.rows import RowPlan
from .halving import Score, better_third, goes_on
from .ledger import Ledger
from .settings import SearchSettings
from .space import Point, recipe_of, trial_name
from .tasks import Answer, Engine, Kind, Task
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


_WAIT_S = 1.0

Notify = Callable[[str], None]
"""Writes a line for everyone."""

Watch = Callable[[list[Trial], float], None]
"""Called with all trials and the seconds of search whenever something changed, and every second or so."""


class Loop:
    """One call of a search.

    What a killed call left under way is taken up first, then what was stopped too early, then new trials. Trials that
    train the same student never run beside each other, so that no stage is worked on twice.
    """

    def __init__(
        self, ledger: Ledger, engine: Engine, track: Track, settings: SearchSettings, *, watch: Watch, notify: Notify
    ) -> None:
        self._ledger, self._engine, self._track, self._settings = ledger, engine, track, settings
        self._watch, self._notify = watch, notify
        self._began = time.monotonic() - ledger.spent_s
        self._scores: list[list[Score]] = [[] for _ in track.rungs]
        self._known = {trial.number: trial for trial in ledger.trials}
        self._ready: list[Course] = []
        self._at_work: dict[int, Course] = {}
        for trial in self._known.values():
            if trial.ending != "under way":
                self._remember(trial)

    def run(self) -> None:
        """Search until the trials or the minutes are used up.

        Raises:
            HostError: A device is gone.
            StorageError: The disk is full.
        """
        for number, point in self._ledger.unfinished():
            self._begin(number, point)
        while self._more():
            self._hand_out()
            self._watch(list(self._known.values()), self._seconds)
            for answer in self._engine.wait(_WAIT_S) if self._at_work else ():
                self._take(answer)
        self._ledger.spend(self._seconds)
        self._watch(list(self._known.values()), self._seconds)

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def _in_time(self) -> bool:
        return self._seconds < 60 * self._settings.minutes

    @property
    def _wants_trials(self) -> bool:
        return not self._ledger.exhausted and self._ledger.begun < self._settings.trials

    def _more(self) -> bool:
        return bool(self._at_work or (self._in_time and (self._ready or self._wants_trials or self._stopped_early())))

    def _hand_out(self) -> None:
        """Begin what can be begun: trials under way first, then those that were stopped too early, then new ones."""
        if not self._in_time:
            return
        self._submit_ready()
        while self._engine.room > len(self._ready):
            if (early := self._stopped_early()) is not None:
                self._go_on(early)
            elif self._wants_trials and (asked := self._ledger.ask()):
                self._begin(*asked)
            else:
                return
            self._submit_ready()

    def _stopped_early(self) -> Trial | None:
        """Find the best trial that was stopped at a rung whose better third it belongs to by now, from the last one."""
        for rung in reversed(range(len(self._track.rungs) - 1)):
            there = [trial for trial in self._known.values() if len(trial.rung_scores) > rung]
            for place in better_third([trial.rung_scores[rung] for trial in there]):
                if there[place].ending == "stopped" and len(there[place].grades) == rung + 1:
                    return there[place]
        return None

    def _go_on(self, stopped: Trial) -> None:
        """Train a stopped trial on; it takes a new number, its old one is no trial any more."""
        number, point = self._ledger.begin_again(stopped.number)
        del self._known[stopped.number]
        self._enter(point, replace(stopped, number=number, ending="under way", ended_s=None))

    def _submit_ready(self) -> None:
        for course in list(self._ready):
            students = {each.point.student for each in self._at_work.values()}
            if course.task is not None and course.point.student not in students and self._engine.takes(course.task):
                self._engine.submit(course.task)
                self._at_work[course.trial.number] = course
                self._ready.remove(course)

    def _begin(self, number: int, point: Point) -> None:
        self._enter(point, Trial(number=number, words=point.describe(), ending="under way"))

    def _enter(self, point: Point, trial: Trial) -> None:
        course = Course(track=self._track, point=point, trial=trial, elsewhere=self._scores)
        self._known[trial.number] = trial
        self._ledger.note(trial, course.violations)
        self._ready.append(course)

    def _take(self, answer: Answer) -> None:
        if answer.fatal:
            self._stop(answer)
        course = self._at_work.pop(answer.trial)
        course.take(answer, seconds=self._seconds)
        self._known[answer.trial] = course.trial
        self._ledger.note(course.trial, course.violations)
        self._ledger.spend(self._seconds)
        if course.task is not None:
            self._ready.insert(0, course)
        elif course.trial.error is not None:
            self._notify(f"{trial_name(answer.trial)} failed: {course.trial.error}; the search goes on")

    def _remember(self, trial: Trial) -> None:
        """Let an earlier call's trial count at each rung that it reached."""
        for reached, score in zip(self._scores, trial.rung_scores, strict=False):
            reached.append(score)

    def _stop(self, answer: Answer) -> None:
        """Say what is kept; the trial stays under way, so that the next call takes it up."""
        self._ledger.spend(self._seconds)
        whole = sum(each.ending != "under way" for each in self._known.values())
        msg = (
            f"the search stopped in {trial_name(answer.trial)}: {answer.error}; its {whole} finished trials are kept: "
            "run again to go on"
        )
        raise (answer.fatal or BeltlineError)(msg)
