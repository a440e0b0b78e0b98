"""The devices of a run: met before anything is trained, measured on at the same time, each by one measurement only."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ...export.artifacts import runs_checkpoint
from ...inspection.base.errors import HostError, MeasurementError, MissingPartError
from ...targets.host import Host, LocalHost
from ...targets.profile import DeviceProfile, profile_of, target_from_facts
from ...targets.settings import TargetSettings
from ...targets.ssh import SshHost
from ...targets.target import Target
from ..console import Console
from ..deploy.describe import describe
from .rows import RowPlan

_T = TypeVar("_T")
_UNKNOWN = "local"
"""The profile of a device of which nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device that was met.

    Attributes:
        settings: As line.yaml says it.
        target: How it is measured on.
        facts: Its fingerprint when it was met.
        missing: Backend to a sentence on what it lacks there.
        stopped: Set when what runs on it is to end.
    """

    settings: TargetSettings
    target: Target
    facts: Mapping[str, Any]
    missing: Mapping[str, str]
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def name(self) -> str:
        """What the report calls it."""
        return self.target.name

    @property
    def here(self) -> bool:
        """Whether it is this machine."""
        return self.settings.ssh is None

    @contextmanager
    def host(self, console: Console) -> Iterator[Host]:
        """Connect to it; it is left clean when the block ends."""
        with _host_of(self.settings, console) as host:
            yield host

    def require_going(self) -> None:
        """Stop what runs on it where the user has stopped the run.

        Raises:
            MeasurementError: The run was stopped.
        """
        if self.stopped.is_set():
            msg = f"{self.name}: stopped"
            raise MeasurementError(msg)


def meet(targets: Sequence[TargetSettings], *, threads: int | None, console: Console) -> tuple[Device, ...]:
    """Reach every device, prepare it, and ask what it is.

    Args:
        targets: As line.yaml says them.
        threads: Engine threads; None: as each one's profile says.
        console: Gets what is sent, and how a device differs from its profile.

    Raises:
        HostError: A device cannot be reached or prepared.
        LineFileError: It has fewer CPUs than threads are wanted.
    """
    devices = tuple(_met(settings, threads, console) for settings in targets)
    for device in devices:
        for difference in device.target.differs:
            console.notify(f"{device.name}: {difference}; it is measured all the same, and marked in the report")
    return devices


def this_machine(devices: Sequence[Device]) -> Device:
    """Give the device that is this machine, also where line.yaml names none such: models are made and scored here."""
    here = next((device for device in devices if device.here), None)
    return here or _described(TargetSettings(profile=_UNKNOWN), describe(), threads=None)


def devices_of(plan: RowPlan, devices: Sequence[Device]) -> tuple[Device, ...]:
    """Say where a row is measured: on every device, but a checkpoint (which only torch runs) here; with its threads."""
    found = (this_machine(devices),) if runs_checkpoint(plan.backend) else tuple(devices)
    return tuple(replace(each, target=each.target.with_threads(plan.threads)) for each in found)


def require_on_devices(plans: Sequence[RowPlan], devices: Sequence[Device]) -> None:
    """Look for the rows' runtimes on the devices, before hours of training.

    Raises:
        MissingPartError: One is not there; the message says how it gets there.
    """
    for plan in plans:
        for device in devices_of(plan, devices):
            if (missing := device.missing.get(plan.backend)) is None:
                continue
            folder = device.settings.wheelhouse
            way = "" if folder is None or device.here else f"; get it: beltline wheels {folder} --with <extra>"
            msg = f"row {plan.name}: {plan.backend} is not on {device.name}: {missing}{way}"
            raise MissingPartError(msg)


def on_each(devices: Sequence[Device], work: Callable[[Device], _T]) -> list[_T]:
    """Do work on all devices at the same time; when one fails, the others end first, so that nothing is lost."""
    if len(devices) == 1:
        return [work(devices[0])]
    with ThreadPoolExecutor(max_workers=len(devices)) as pool:
        futures = [pool.submit(work, device) for device in devices]
        try:
            wait(futures)
        except BaseException:
            for device in devices:
                device.stopped.set()
            raise
    return [future.result() for future in futures]


def _met(settings: TargetSettings, threads: int | None, console: Console) -> Device:
    if settings.ssh is None:
        return _described(settings, describe(), threads=threads)
    lines: list[str] = []
    with _host_of(settings, console) as host:
        argv = [host.python, "-m", describe.__module__]
        ended = host.run(argv, environment={"PYTHONPATH": host.import_path}, on_line=lines.append)
    if ended.code or not lines:
        msg = f"{settings.ssh}: Beltline does not run there: {ended.errors or f'code {ended.code}'}"
        raise HostError(msg)
    return _described(settings, json.loads(lines[-1]), threads=threads)


def _described(settings: TargetSettings, described: Mapping[str, Any], *, threads: int | None) -> Device:
    profile: DeviceProfile = profile_of(settings.profile or _UNKNOWN)
    cpus = [(core, cpu) for core, cpu in described["cpus"]]
    target = target_from_facts(settings.label, profile, facts=described["facts"], cpus=cpus, threads=threads)
    return Device(settings=settings, target=target, facts=described["facts"], missing=described["missing"])


@contextmanager
def _host_of(settings: TargetSettings, console: Console) -> Iterator[Host]:
    if (access := settings.access) is None:
        yield LocalHost()
        return

    def notify(text: str) -> None:
        console.notify(f"{settings.label}: {text}")

    with SshHost(access, wheelhouse=settings.wheelhouse, notify=notify) as host:
        yield host
