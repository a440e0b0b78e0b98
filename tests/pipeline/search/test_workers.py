"""Real worker processes on a small drawn line."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from beltline.pipeline.search.tasks import Answer
from beltline.pipeline.search.workers import Workers, local_workers
from searched import searched_place, task_of


def workers_alive() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "spawn_main" in " ".join(each.cmdline())]


def answer(workers: Workers) -> Answer:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if found := workers.wait(1.0):
            return found[0]
    pytest.fail("no answer")


@pytest.mark.slow
def test_a_process_that_dies_fails_its_trial_and_another_takes_its_place(home: Path, tmp_path: Path) -> None:
    with searched_place(home, tmp_path) as place, local_workers(place, count=1, logs=tmp_path) as workers:
        workers.submit(task_of(place, "draw"))
        assert workers.room == 0
        assert not workers.takes(task_of(place, "draw", trial=1))
        (process,) = workers_alive()
        os.kill(process.pid, signal.SIGKILL)
        died = answer(workers)
        assert (died.trial, died.fatal) == (0, None)
        assert "signal 9" in (died.error or "")
        workers.submit(task_of(place, "draw", trial=1))
        drawn = answer(workers)
        assert (drawn.trial, drawn.error) == (1, None)
        assert drawn.artifact is not None
        assert (place.folder / drawn.artifact.path).is_file()
    assert workers_alive() == []


@pytest.mark.slow
def test_trainings_stand_still_while_this_machine_is_measured(home: Path, tmp_path: Path) -> None:
    with searched_place(home, tmp_path) as place, local_workers(place, count=1, logs=tmp_path) as workers:
        workers.submit(task_of(place, "grade"))
        (trainer,) = workers_alive()
        measured = task_of(place, "time", trial=1)
        assert workers.takes(measured)
        workers.submit(measured)
        assert trainer.status() == psutil.STATUS_STOPPED
        assert not workers.takes(task_of(place, "draw", trial=2)), "nothing begins beside a measurement"
        first = answer(workers)
        assert (first.trial, first.kind) == (1, "time"), "a bug in a worker is answered, too: nothing hangs"
        assert trainer.status() != psutil.STATUS_STOPPED
        graded = answer(workers)
        assert graded.error is None
        assert graded.grade is not None
        assert graded.grade.epochs == 1
        assert 0 <= graded.grade.escapes <= graded.grade.defects
