"""The loop of a search: hands tasks to an engine, answers to the courses, and what came of them to the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ...inspection.base.errors import BeltlineError
from .course import Course, Track
from .halving import Score, better_third
from .ledger import Ledger
from .points import Point, trial_name
from .settings import SearchSettings
from .tasks import Answer, Engine
from .trials import Trial

_TURN_S = 1.0

Tell = Callable[[str], None]
"""Writes a line for everyone."""

Watch = Callable[[list[Trial], float], None]
"""Called with all trials and the seconds of search whenever something changed, and every second or so."""


class Loop:
    """One call of a search.

    What a killed call left under way is taken up first, then what was stopped too early, then new trials. Trials that
    train the same student never run beside each other, so that no stage is worked on twice.
    """

    def __init__(
        self, ledger: Ledger, engine: Engine, track: Track, settings: SearchSettings, *, watch: Watch, notify: Tell
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
            for answer in self._engine.wait(_TURN_S) if self._at_work else ():
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
        self._enter(point, Trial(number=number, words=point.words(), ending="under way"))

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
