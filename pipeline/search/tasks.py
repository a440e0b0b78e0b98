"""Tasks: the pieces that a trial is worked off in, and the answers that come back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from ...export.contracts import Artifact
from ...inspection.base.errors import BeltlineError, HostError, MeasurementError, StorageError
from ..stages.job import RunJob
from ..stages.rows import RowPlan
from .trials import Grade, Timing
from .work import Place, drawn, graded, timed

Kind = Literal["draw", "time", "grade"]
_ENDS_THE_SEARCH: tuple[type[BeltlineError], ...] = (HostError, StorageError)
"""The device is gone, or the disk is full: the next trial would fare no better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One piece of work for a trial.

    Attributes:
        trial: Its number.
        kind: `draw` builds the untrained artifact, `time` measures one, `grade` trains and grades.
        plan: The row, with as many epochs as its rung has.
        artifact: What to time; its path starts in the run's folder.
        paced: Time it at line rate.
    """

    trial: int
    kind: Kind
    plan: RowPlan
    artifact: Artifact | None = None
    paced: bool = False

    @property
    def exclusive(self) -> bool:
        """Whether nothing else may run on the device meanwhile."""
        return self.kind == "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a task.

    Attributes:
        trial: Its number.
        kind: The task's.
        artifact: What was built; its path starts in the run's folder.
        timing: What was measured.
        grade: How val was sorted.
        error: Why it failed, for people.
        fatal: The kind of error after which the search cannot go on; None: it can.
        seconds: How long it took.
    """

    trial: int
    kind: Kind
    artifact: Artifact | None = None
    timing: Timing | None = None
    grade: Grade | None = None
    error: str | None = None
    fatal: type[BeltlineError] | None = None
    seconds: float = 0.0


class Engine(Protocol):
    """Something that works tasks off; a context manager."""

    @property
    def room(self) -> int:
        """How many more trials it could be busy with, >= 0."""
        ...

    def takes(self, task: Task) -> bool:
        """Whether it can begin this task now."""
        ...

    def submit(self, task: Task) -> None:
        """Begin a task that it takes."""
        ...

    def wait(self, seconds: float) -> Sequence[Answer]:
        """Give the answers that are there after at most so long; none is given twice."""
        ...


def answered(task: Task, place: Place, job: RunJob) -> Answer:
    """Work a task off; what a trial's own settings brought about is an answer, only bugs raise."""
    started = time.monotonic()
    try:
        answer = _worked_off(task, place, job)
    except BeltlineError as error:
        fatal = next((kind for kind in _ENDS_THE_SEARCH if isinstance(error, kind)), None)
        answer = failure(task, str(error), fatal=fatal)
    except (RuntimeError, ValueError, MemoryError) as error:  # of torch, a runtime or a quantizer, for this shape
        answer = failure(task, f"{type(error).__name__}: {error}")
    return replace(answer, seconds=time.monotonic() - started)


def failure(task: Task, error: str, *, fatal: type[BeltlineError] | None = None) -> Answer:
    """Say that a task failed."""
    message = " ".join(error.split())[:600]
    return Answer(trial=task.trial, kind=task.kind, error=message or "no message", fatal=fatal)


def _worked_off(task: Task, place: Place, job: RunJob) -> Answer:
    if task.kind == "draw":
        artifact = _relative(drawn(job, task.plan, place.teacher), job)
        return Answer(trial=task.trial, kind=task.kind, artifact=artifact)
    if task.kind == "grade":
        artifact, grade = graded(job, task.plan, place)
        return Answer(trial=task.trial, kind=task.kind, artifact=_relative(artifact, job), grade=grade)
    if task.artifact is None:
        msg = "a task that times needs an artifact"
        raise TypeError(msg)
    here = task.artifact.moved_to(job.folder / task.artifact.path)
    return Answer(trial=task.trial, kind=task.kind, timing=_timing(job, task, here))


def _timing(job: RunJob, task: Task, artifact: Artifact) -> Timing:
    """Time as asked; where the belt cannot be paced just now, because something else runs here, back to back."""
    try:
        return timed(job, task.plan, artifact, paced=task.paced, trained=task.paced)
    except MeasurementError as error:
        if not task.paced:
            raise
        job.console.notify(f"{task.plan.name}: timed back to back: {error}")
        return timed(job, task.plan, artifact, paced=False, trained=True)


def _relative(artifact: Artifact, job: RunJob) -> Artifact:
    return artifact.moved_to(artifact.path.relative_to(job.folder))
