"""The spare engine: loaded beside the one at work, it takes over at once, and only for its own bundle."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from beltline.export.contracts import Frame
from beltline.station.service import Service
from beltline.station.versions.activation import Places
from beltline.station.versions.installing import InstallOptions, install
from stationing import engine_pid, eventually, offered, running, settings_of

WITH_SPARE = {"engine": {"spare": True}, "switch": {"look_every_s": 0.05, "trial_frames": 3, "trial_late": 0}}


@pytest.fixture
def service(bundle: Any) -> Iterator[Service]:
    with running(settings_of(bundle=bundle.path, **WITH_SPARE)) as started:
        yield started


def spare_pid(service: Service) -> int:
    """Wait for the spare engine and give its process."""
    spare = service._supervisor._spare
    eventually(lambda: spare._engine is not None and spare._engine.alive)
    assert spare._engine is not None
    return spare._engine.pid


def lose(service: Service, pid: int) -> None:
    """Kill the engine at work, and wait until the station has noticed."""
    before = service.counters.snapshot().restarts.get("engine", 0)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: service.counters.snapshot().restarts.get("engine", 0) == before + 1)


def test_it_takes_over_where_the_engine_is_lost_and_another_one_is_loaded(
    service: Service, frames: list[Frame]
) -> None:
    for _ in range(2):
        spare = spare_pid(service)
        lose(service, engine_pid(service))
        assert engine_pid(service) == spare
        assert service.offer(offered(frames[0])).result(60).standing == "answered"
        assert spare_pid(service) != spare
    assert any("the spare one works on" in each.text for each in service.counters.snapshot().incidents)


def test_where_the_spare_died_the_engine_is_started_again(service: Service, frames: list[Frame]) -> None:
    spare, at_work = spare_pid(service), engine_pid(service)
    for pid in (spare, at_work):
        os.kill(pid, signal.SIGSTOP)  # so that neither is replaced before both are gone
    os.kill(spare, signal.SIGKILL)
    os.kill(at_work, signal.SIGKILL)
    eventually(lambda: service._supervisor._engine is not None and engine_pid(service) not in (spare, at_work))
    assert service.offer(offered(frames[0])).result(60).standing == "answered"


def test_after_a_switch_it_is_one_of_the_new_bundle(pair: Any, tmp_path: Path, frames: list[Frame]) -> None:
    places = Places(root=tmp_path / "root")
    install(pair.old, places, InstallOptions(key=pair.public))
    with running(settings_of(bundle=places.root, **WITH_SPARE)) as service:
        old = spare_pid(service)
        install(pair.new, places, InstallOptions())
        eventually(lambda: service.offer(offered(frames[0])).result(60).bundle == pair.new_version)
        with pytest.raises(ProcessLookupError):
            os.kill(old, 0)
        for number in range(3):
            service.offer(offered(frames[0], number)).result(60)
        spare = spare_pid(service)
        lose(service, engine_pid(service))
        assert engine_pid(service) == spare
        assert service.offer(offered(frames[0])).result(60).bundle == pair.new_version


def test_stopping_ends_it(bundle: Any) -> None:
    with running(settings_of(bundle=bundle.path, **WITH_SPARE)) as service:
        spare = spare_pid(service)
    with pytest.raises(ProcessLookupError):
        os.kill(spare, 0)
