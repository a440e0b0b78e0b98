"""CPUs: the engine's own, the others', and a thread that goes back to all of them afterwards."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from beltline.inspection.base.errors import StationError
from beltline.station.engines.pinning import keeping_to, make_thread_realtime, pinning_for
from beltline.station.settings import EngineSettings
from stationing import engine_pid, running, settings_of

USABLE = sorted(os.sched_getaffinity(0))


def test_a_named_cpu_must_be_one_that_may_be_used() -> None:
    with pytest.raises(StationError, match=r"may use the CPUs \[0, 1\], got \[1, 7\]"):
        pinning_for(EngineSettings(cpus=(1, 7)), [1, 0], measured_threads=1)
    named = pinning_for(EngineSettings(cpus=(0,), threads=2), [1, 0], measured_threads=1)
    assert (named.threads, named.engine_cpus, named.other_cpus, named.realtime) == (2, (0,), (1,), True)


def test_without_a_cpu_left_over_nothing_goes_ahead_of_everything_else() -> None:
    crowded = pinning_for(EngineSettings(), [0], measured_threads=4)
    assert (crowded.threads, crowded.engine_cpus, crowded.realtime) == (1, (), False)


def test_a_thread_goes_back_to_its_cpus() -> None:
    with keeping_to((USABLE[0],)):
        assert os.sched_getaffinity(0) == {USABLE[0]}
        found: list[set[int]] = []
        thread = Thread(target=lambda: found.append(os.sched_getaffinity(0)))
        thread.start()
        thread.join()
        assert found == [{USABLE[0]}]
    assert sorted(os.sched_getaffinity(0)) == USABLE


@pytest.mark.skipif(len(USABLE) < 2, reason="one CPU: nothing to divide")
def test_every_thread_of_the_engine_keeps_to_its_cpus(bundle: Any) -> None:
    with running(settings_of(bundle=bundle.path)) as service:
        pid = engine_pid(service)
        tasks = [int(each.name) for each in Path(f"/proc/{pid}/task").iterdir()]
        kept = {tuple(sorted(os.sched_getaffinity(task))) for task in tasks}
        ahead = {os.sched_getscheduler(task) & ~os.SCHED_RESET_ON_FORK for task in tasks}
        allowed = may_be_realtime()
    assert kept == {(next(iter(set(USABLE) - set(service.other_cpus))),)}
    assert ahead == {os.SCHED_RR if allowed else os.SCHED_OTHER}


def may_be_realtime() -> bool:
    found: list[bool] = []
    thread = Thread(target=lambda: found.append(make_thread_realtime()))
    thread.start()
    thread.join()
    return found[0]
