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

from ...export.bundles.reading import open_bundle
from ...inspection.base.errors import BeltlineError, StationError
from ...station.frames import OfferedFrame
from ...station.service import Service
from ...station.versions.installing import InstallOptions, install
from .partners import Partner
from .scene import Scene, write_large

_STALL_S, _AWAY_S, _HOG_S = 3.0, 2.0, 5.0
_SWITCH_S = 30.0
_HOG = "while True: pass"
_MALFORMED = 200
_LARGE = 10


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


def faults_for(scene: Scene, service: Service, other: Service) -> list[Fault]:
    """List all faults, those that cannot happen here with the reason.

    Args:
        scene: What they are done to.
        service: Of the left belt, which most of them hit.
        other: Of the right belt; it loses its engine, too.
    """
    return [
        Fault(name="engine killed", happen=lambda: _signal_engine(service, signal.SIGKILL)),
        Fault(name="engine of the other belt killed", happen=lambda: _signal_engine(other, signal.SIGKILL)),
        Fault(name="wrong bundles", happen=lambda: _wrong_bundles(scene)),
        Fault(name="frames of five megapixels", happen=lambda: _large(scene)),
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


def go_wrong(
    faults: list[Fault], *, pause_s: float, stop: Event, note: Callable[[str, bool], None]
) -> tuple[dict[str, int], list[str]]:
    """Let faults happen in turn until `stop`.

    Args:
        faults: At least one that can happen.
        pause_s: Between two of them, in which all is to be well.
        stop: Ends it.
        note: Called with a fault's name when it begins (true) and when the station has had time to recover (false).

    Returns:
        How often each happened, and what must not have happened: sentences.
    """
    usable = [fault for fault in faults if not fault.missing]
    happened = dict.fromkeys((fault.name for fault in usable), 0)
    turn, wrong = 0, list[str]()
    while not stop.wait(pause_s / 2):
        fault = usable[turn % len(usable)]
        turn += 1
        note(fault.name, True)
        try:
            fault.happen()
        except BeltlineError as error:
            wrong.append(f"{fault.name}: {error}")
        happened[fault.name] += 1
        stop.wait(pause_s / 2)
        note(fault.name, False)
    return happened, wrong


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


def _large(scene: Scene) -> None:
    """Let some come as files, one close behind the other."""
    for number in range(_LARGE):
        write_large(scene, time.monotonic_ns() // 1_000_000 + number)


def _wrong_bundles(scene: Scene) -> None:
    """Try to install a bundle with one bit changed, half a bundle, and where there are two products the other one's.

    Raises:
        StationError: One was taken.
    """
    raw = bytearray(scene.bundles[0].read_bytes())
    raw[len(raw) // 2] ^= 1
    wrong = scene.folder / "wrong.beltline"
    options = InstallOptions(allow_unsigned=True)
    for content in (bytes(raw), bytes(raw[: len(raw) // 2]), _other_product(scene)):
        if content is None:
            continue
        wrong.write_bytes(content)
        try:
            install(wrong, scene.places, options)
        except BeltlineError:
            continue
        msg = "a wrong bundle was installed"
        raise StationError(msg)


def _other_product(scene: Scene) -> bytes | None:
    manifests = []
    for path in scene.bundles:
        with open_bundle(path) as bundle:
            manifests.append(bundle.manifest)
    same = (manifests[0].line, manifests[0].product) == (manifests[1].line, manifests[1].product)
    return None if same else scene.bundles[1].read_bytes()


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
