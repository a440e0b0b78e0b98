"""What goes wrong around a station, one after the other, over and over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Event

import numpy as np

from ...station.frames import OfferedFrame
from ...station.service import Service
from .partners import Partner
from .scene import Scene

_STALL_S, _AWAY_S, _HOG_S = 3.0, 2.0, 5.0
_SWITCH_S = 30.0
_HOG = "while True: pass"
_MALFORMED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        name: For people.
        happen: Does it, and returns when it is over.
        missing: Why it cannot happen here; empty: it can.
    """

    name: str
    happen: Callable[[], None]
    missing: str = ""


def faults_for(scene: Scene, service: Service) -> list[Fault]:
    """List all faults, those that cannot happen here with the reason."""
    return [
        Fault(name="engine killed", happen=lambda: _signal_engine(service, signal.SIGKILL)),
        _with(scene.camera, "camera stalls", _stall, "apt install aravis-tools"),
        Fault(name="CPU hog", happen=_hog),
        _with(scene.broker, "broker restarts", _restart, "apt install mosquitto; pip install 'beltline[station]'"),
        Fault(name="new bundle", happen=lambda: _switch(scene, service, slow=False)),
        Fault(name="malformed frames", happen=lambda: _malformed(service)),
        Fault(name="engine stuck", happen=lambda: _signal_engine(service, signal.SIGSTOP)),
        _with(scene.plc, "PLC server restarts", _restart, "pip install 'beltline[station]'"),
        Fault(
            name="disk full",
            happen=lambda: _fill(scene),
            missing="" if scene.disk else "this user may not mount a disk",
        ),
        Fault(name="new bundle that is too slow", happen=lambda: _switch(scene, service, slow=True)),
        _with(scene.camera, "camera is replaced", _restart, "apt install aravis-tools"),
    ]


def go_wrong(faults: list[Fault], *, pause_s: float, stop: Event, note: Callable[[str, bool], None]) -> dict[str, int]:
    """Let faults happen in turn until `stop`.

    Args:
        faults: At least one that can happen.
        pause_s: Between two of them, in which all is to be well.
        stop: Ends it.
        note: Called with a fault's name when it begins (true) and when the station has had time to recover (false).

    Returns:
        How often each happened.
    """
    usable = [fault for fault in faults if not fault.missing]
    happened = dict.fromkeys((fault.name for fault in usable), 0)
    turn = 0
    while not stop.wait(pause_s / 2):
        fault = usable[turn % len(usable)]
        turn += 1
        note(fault.name, True)
        fault.happen()
        happened[fault.name] += 1
        stop.wait(pause_s / 2)
        note(fault.name, False)
    return happened


def _with(partner: Partner | None, name: str, happen: Callable[[Partner], None], otherwise: str) -> Fault:
    if partner is None:
        return Fault(name=name, happen=lambda: None, missing=otherwise)
    return Fault(name=name, happen=lambda: happen(partner))


def _stall(partner: Partner) -> None:
    with partner.frozen():
        time.sleep(_STALL_S)


def _restart(partner: Partner) -> None:
    partner.kill()
    time.sleep(_AWAY_S)
    partner.start()


def _signal_engine(service: Service, number: int) -> None:
    with suppress(ProcessLookupError):
        if pid := service.engine_pid:
            os.kill(pid, number)


def _hog() -> None:
    """Keep every CPU twice as busy as it can be."""
    count = 2 * (os.cpu_count() or 1)
    hogs = [subprocess.Popen([sys.executable, "-c", _HOG]) for _ in range(count)]
    time.sleep(_HOG_S)
    for hog in hogs:
        hog.kill()
        hog.wait()


def _switch(scene: Scene, service: Service, *, slow: bool) -> None:
    """Install another version; a slow one is frozen while it is on trial, until the station goes back."""
    before = service.counters.snapshot()
    version = scene.another_version().version
    until = time.monotonic() + _SWITCH_S
    while service.counters.snapshot().switches == before.switches and time.monotonic() < until:
        time.sleep(0.05)
    if slow and service.at_work.version == version:
        _signal_engine(service, signal.SIGSTOP)
    while slow and service.counters.snapshot().rollbacks == before.rollbacks and time.monotonic() < until:
        time.sleep(0.05)


def _malformed(service: Service) -> None:
    """Offer frames of shapes and types that no camera should send."""
    rng = np.random.default_rng(7)
    types = (np.uint8, np.int64, np.float32, np.bool_)
    for number in range(_MALFORMED):
        shape = tuple(int(side) for side in rng.integers(0, 70, rng.integers(0, 5)))
        image = np.zeros(shape, types[number % len(types)])
        frame = OfferedFrame(
            number=number,
            source="malformed",
            name="",
            image=image,
            captured_ns=time.monotonic_ns(),
        )
        service.offer(frame)


def _fill(scene: Scene) -> None:
    if scene.disk is None:
        return
    junk = scene.disk / "junk"
    with suppress(OSError), junk.open("wb") as stream:
        while True:
            stream.write(bytes(4096))
            stream.flush()
    time.sleep(_AWAY_S)
    junk.unlink()
