"""Worker processes on this machine: several train, one measures, and while it does the others stand still."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from typing_extensions import Self

from ..console import Console
from .tasks import Answer, Task, answered, failure
from .work import Place

_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
_GONE_WITHIN_S = 5.0


class Workers:
    """An `Engine` of processes: `count` that draw and train, and one more that measures.

    Where the device is this machine, the others are stopped (SIGSTOP) while it is measured, so that nothing of the
    search runs beside a measurement; other runs of Beltline are kept out by the lock of measurements. A process that
    dies fails the trial that it was at, and another takes its place.
    """

    def __init__(self, place: Place, *, count: int, threads: int, logs: Path) -> None:
        self._place, self._threads, self._logs = place, threads, logs
        self._halts = any(each.settings.ssh is None for each in place.devices)
        self._makers = [_Worker(self._start, number) for number in range(count)]
        self._timer = _Worker(self._start, count)

    def __enter__(self) -> Self:
        """Start nothing yet: a process starts with its first task."""
        return self

    def __exit__(self, *_: object) -> None:
        """End every process; what one was at goes on from its stages in the next call."""
        for worker in self._all:
            worker.end()

    @property
    def room(self) -> int:
        """See `Engine`; a trial that is being measured elsewhere leaves its maker to another."""
        ahead = 0 if self._halts else 1
        return max(0, len(self._makers) + ahead - sum(worker.busy for worker in self._all))

    def takes(self, task: Task) -> bool:
        """See `Engine`."""
        if task.exclusive:
            return not self._timer.busy
        return any(not each.busy for each in self._makers) and not (self._halts and self._timer.busy)

    def submit(self, task: Task) -> None:
        """See `Engine`."""
        if task.exclusive:
            self._let_makers(go=False)
            self._timer.begin(task)
        else:
            next(each for each in self._makers if not each.busy).begin(task)

    def wait(self, seconds: float) -> Sequence[Answer]:
        """See `Engine`."""
        busy = [worker for worker in self._all if worker.busy]
        ready = wait([each.channel for each in busy if each.channel is not None], timeout=seconds)
        answers = [each.answer() for each in busy if each.channel in ready]
        if not self._timer.busy:
            self._let_makers(go=True)
        return answers

    @property
    def _all(self) -> list[_Worker]:
        return [*self._makers, self._timer]

    def _let_makers(self, *, go: bool) -> None:
        if self._halts:
            for each in self._makers:
                each.signal(signal.SIGCONT if go else signal.SIGSTOP)

    def _start(self, number: int) -> tuple[Any, Connection]:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        log = self._logs / f"worker-{number}.log"
        arguments = (self._place, theirs, self._threads, log, os.getpid())
        process = context.Process(target=_serve, args=arguments, daemon=True, name=f"beltline-search-{number}")
        process.start()
        theirs.close()
        return process, ours


class _Worker:
    """One process and what it is at."""

    def __init__(self, start: Any, number: int) -> None:
        self._start, self._number = start, number
        self._process: Any = None
        self._task: Task | None = None
        self.channel: Connection | None = None

    @property
    def busy(self) -> bool:
        return self._task is not None

    def begin(self, task: Task) -> None:
        if self._process is None or not self._process.is_alive():
            self.end()
            self._process, self.channel = self._start(self._number)
        self._task = task
        with suppress(BrokenPipeError):  # it died just now: `answer` reports it
            self.channel.send(task)  # type: ignore[union-attr]

    def answer(self) -> Answer:
        task, self._task = self._task, None
        if task is None or self.channel is None:
            msg = "a worker without a task has no answer"
            raise TypeError(msg)
        try:
            found: Answer = self.channel.recv()
        except (EOFError, ConnectionResetError):
            self._process.join(_GONE_WITHIN_S)
            code = self._process.exitcode
            cause = f"signal {-code}; was memory short?" if code is not None and code < 0 else f"code {code}"
            return failure(task, f"the worker process ended with {cause}")
        return found

    def signal(self, number: signal.Signals) -> None:
        if self.busy and self._process is not None and self._process.is_alive():
            os.kill(self._process.pid, number)

    def end(self) -> None:
        """An idle process ends by itself once its pipe is closed; one at work is killed."""
        if self.channel is not None:
            self.channel.close()
        if self._process is not None:
            if not self.busy:
                self._process.join(_GONE_WITHIN_S)
            self._process.kill()
            self._process.join(_GONE_WITHIN_S)
            self._process.close()
        self._process = self.channel = self._task = None


@contextmanager
def local_workers(place: Place, *, count: int | None, logs: Path) -> Iterator[Workers]:
    """Set up workers that share this machine's CPUs.

    Args:
        place: What they all work on.
        count: Trainings at the same time; None: one for each four CPUs.
        logs: Folder of their logs; made where it is not there.
    """
    cpus = len(os.sched_getaffinity(0))
    makers = count or max(1, cpus // 4)
    logs.mkdir(parents=True, exist_ok=True)
    with Workers(place, count=makers, threads=max(1, cpus // makers), logs=logs) as workers:
        yield workers


def _serve(place: Place, channel: Connection, threads: int, log: Path, parent: int) -> None:
    """Work tasks off until the pipe is closed or the process that started this one is gone."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    with log.open("a", encoding="utf-8", buffering=1) as stream:
        job = place.job(Console(verbose=True, stream=stream, bars=False), threads=threads)
        while True:
            try:
                task: Task = channel.recv()
            except EOFError:
                return
            channel.send(answered(task, place, job))
