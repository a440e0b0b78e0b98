"""Which CPUs the engine's threads keep to, and what goes ahead of every ordinary program."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ...inspection.base.errors import StationError
from ..settings import EngineSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinning:
    """A division of this machine.

    Attributes:
        threads: Of the runtime.
        engine_cpus: For the engine's threads; none: wherever the system puts them.
        other_cpus: For sources, outlets and the server; none: all.
        loading_cpus: For an engine that is being loaded beside the one at work; none: all.
        realtime: Whether what is on the way of a frame may go ahead of all other programs.
        ready_ns: So long before a frame is expected the engine stops sleeping; 0: never.
    """

    threads: int
    engine_cpus: tuple[int, ...]
    other_cpus: tuple[int, ...]
    loading_cpus: tuple[int, ...]
    realtime: bool = False
    ready_ns: int = 0


def pinning_for(
    settings: EngineSettings, usable: Sequence[int], *, measured_threads: int, shared: bool = False
) -> Pinning:
    """Divide the CPUs that the station may use.

    Args:
        settings: What the user wants.
        usable: The CPUs, those first that the engine should have.
        measured_threads: As many as the model was measured with.
        shared: Other engines take turns with it on its CPUs, so it must not keep one busy while it waits.

    Raises:
        StationError: A CPU was named that the station may not use.
    """
    if settings.cpus is not None and not set(settings.cpus) <= set(usable):
        msg = f"engine.cpus: this process may use the CPUs {sorted(usable)}, got {list(settings.cpus)}; change one"
        raise StationError(msg)
    wanted = settings.threads or len(settings.cpus or ()) or min(measured_threads, len(usable))
    found = divided(usable, threads=wanted, named=settings.cpus)
    alone = bool(found.other_cpus)  # whoever shares its CPU is neither overtaken nor kept waiting for nothing
    ready_ns = round(settings.ready_us * 1e3) if alone and not shared else 0
    return replace(found, realtime=settings.realtime and alone, ready_ns=ready_ns)


def divided(usable: Sequence[int], *, threads: int, named: tuple[int, ...] | None) -> Pinning:
    """Give the engine its CPUs; unless they are named, only where one is left over for everything else.

    >>> divided([1, 3, 0, 2], threads=2, named=None)
    Pinning(threads=2, engine_cpus=(1, 3), other_cpus=(0, 2), loading_cpus=(0, 2), realtime=False, ready_ns=0)
    >>> divided([1, 0], threads=2, named=None)
    Pinning(threads=2, engine_cpus=(), other_cpus=(), loading_cpus=(), realtime=False, ready_ns=0)
    """
    if named is None and threads >= len(usable):
        return Pinning(threads=threads, engine_cpus=(), other_cpus=(), loading_cpus=())
    engine = named or tuple(usable[:threads])
    other = tuple(sorted(set(usable) - set(engine)))
    loading = other if len(other) >= threads else tuple(usable)  # a runtime counts the CPUs that it sees then
    return Pinning(threads=threads, engine_cpus=engine, other_cpus=other, loading_cpus=loading)


@contextmanager
def keeping_to(cpus: tuple[int, ...]) -> Iterator[None]:
    """Keep the calling thread, and those that it starts meanwhile, on these CPUs; none: leave it as it is."""
    before = os.sched_getaffinity(0)
    if cpus:
        os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def keep_process_to(cpus: tuple[int, ...]) -> None:
    """Keep all threads of this process, and those to come, on these CPUs; none: leave them as they are."""
    for each in Path("/proc/self/task").iterdir() if cpus else ():
        os.sched_setaffinity(int(each.name), cpus)


_LOWEST = 1


def make_thread_realtime(thread: int = 0) -> bool:
    """Put a thread ahead of ordinary ones; 0: the calling one. Whether the system allowed it."""
    try:
        os.sched_setscheduler(thread, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(_LOWEST))
    except PermissionError:
        return False
    return True


def make_process_realtime() -> bool:
    """Put all threads of this process ahead; whether the system allowed it."""
    allowed = [make_thread_realtime(int(each.name)) for each in Path("/proc/self/task").iterdir()]
    return all(allowed)
