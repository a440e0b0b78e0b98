"""`beltline serve`: everything of a station started, watched and stopped together, one inspector or several."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from ..inspection.base.errors import StationError, StorageError
from ..targets.kernel_files import cpus_by_core
from .changeover import changeover_kinds
from .collecting import Collector
from .counters import Tally
from .engines.pinning import keeping_to
from .engines.sharing import shares
from .frames import source_kinds
from .numbers import OutcomeNumbers, default_state_folder
from .outcomes import result_kinds
from .publishing.systemd import notify
from .publishing.wiring import Wiring
from .service import Service, give_way_sooner
from .settings import StationSettings, require_installed
from .versions.at_work import AtWork

_POLL_S = 0.5

Log = Callable[[str], None]
Admit = Callable[[Mapping[str, AtWork]], None]
"""Raises StationError where inspectors that share CPUs do not fit together; takes the bundle of each by its name."""


def serve(
    settings: StationSettings,
    log: Log,
    *,
    stop: Event | None = None,
    on_start: Callable[[Service], None] | None = None,
) -> Tally:
    """Run a station with one inspector until it is stopped, or all its sources have ended.

    Args:
        settings: What it takes in and who receives its results; it names no `inspectors`.
        log: Takes sentences for people, one line each.
        stop: Ends it when set; None: SIGTERM and Ctrl-C alone do. Signals are only taken in the main thread.
        on_start: Called once with the service, before the first frame.

    Returns:
        All counts at the end; every frame offered has its answer then.

    Raises:
        BeltlineError: It cannot start: no bundle works here, or a package is not installed.
        StationError: It cannot go on by itself; whoever supervises it (systemd) is to start it anew.
    """
    if settings.inspectors:
        msg = "wanted the settings of one inspector, got several; start them together"
        raise StationError(msg)

    def started(services: Mapping[str, Service]) -> None:
        if on_start is not None:
            on_start(next(iter(services.values())))

    (tally,) = serve_together(settings, log, stop=stop, on_start=started).values()
    return tally


def serve_together(
    settings: StationSettings,
    log: Log,
    *,
    admit: Admit = lambda _: None,
    stop: Event | None = None,
    on_start: Callable[[Mapping[str, Service]], None] | None = None,
) -> dict[str, Tally]:
    """Run all inspectors of a station in this process, each with an engine, sources and partners of its own.

    Those that share CPUs take turns on them, see `engines.sharing`. The station ends when all of them have.

    Args:
        settings: One inspector, or several below `inspectors`.
        log: As of `serve`.
        admit: Asked once at the start, and before a newly installed bundle is loaded, for inspectors that share CPUs.
        stop: As of `serve`.
        on_start: Called once with all services by name, before the first frame.

    Returns:
        All counts by name; the name of a single inspector is empty where it has none.

    Raises:
        BeltlineError: As of `serve`.
    """
    wanted = {each.name or "": each for each in settings.inspectors or (settings,)}
    for each in wanted.values():
        require_installed("source", each.sources, source_kinds())
        require_installed("result", each.results, result_kinds())
        if each.references is not None:
            require_installed("changeover", each.references.changeover, changeover_kinds())
    usable = [cpu for _, cpu in cpus_by_core()]
    divided = shares({name: each.engine for name, each in wanted.items()}, usable)
    stopping, alone = stop or Event(), len(wanted) == 1
    services: dict[str, Service] = {}
    with _stopped_by_signals(stopping), ExitStack() as stack:
        for name, each in wanted.items():
            problems: list[str] = []
            numbers = stack.enter_context(_numbers(settings.state, "" if alone else name, problems))
            service = Service(each, numbers, embedded=not alone, name=name, share=divided[name], state=numbers.folder)
            stack.callback(service.stop)
            services[name] = service
            numbers.note_problem = partial(service.counters.note_incident, "numbers")
            for problem in problems:
                numbers.note_problem(problem)
        if not alone:
            _share_process(services, admit, stack)
        stack.enter_context(keeping_to(_left_by_all(services.values())))
        fronts = {name: Wiring(service) for name, service in services.items()}
        for front in fronts.values():
            stack.callback(front.stop)
        for service in services.values():
            stack.callback(service.stop)
        if on_start is not None:
            on_start(services)
        for name, service in services.items():
            service.start()
            fronts[name].start()
            _say_started(service, fronts[name], log)
        notify("READY=1", f"STATUS={' '.join(service.at_work.version for service in services.values())}")
        _watch(services, log, stopping)
        notify("STOPPING=1")
    return {name: service.counters.snapshot() for name, service in services.items()}


def _share_process(services: Mapping[str, Service], admit: Admit, stack: ExitStack) -> None:
    """Ask whether all fit together, and let them share the process's garbage collector."""

    def fits(name: str, at_work: AtWork) -> None:
        beside = services[name].share.beside
        if len(beside) > 1:
            admit({each: at_work if each == name else services[each].at_work for each in beside})

    for group in dict.fromkeys(service.share.beside for service in services.values()):
        fits(group[0], services[group[0]].at_work)
    stack.callback(sys.setswitchinterval, give_way_sooner())
    collector = Collector(all_idle=lambda: all(service.idle for service in services.values()))
    stack.callback(collector.close)
    for name, service in services.items():
        service.share_process(collector, partial(fits, name))


def _left_by_all(services: Iterable[Service]) -> tuple[int, ...]:
    """Give the CPUs that no engine has; none: all."""
    left = [set(service.other_cpus) for service in services if service.other_cpus]
    return tuple(sorted(set.intersection(*left))) if left else ()


@contextmanager
def _numbers(state: Path | None, name: str, problems: list[str]) -> Iterator[OutcomeNumbers]:
    """Open the numbers; a folder that nobody named does not keep a station from working where it cannot be written."""
    folder = (state or default_state_folder()) / name
    try:
        numbers = OutcomeNumbers(folder, note_problem=problems.append)
    except StorageError as error:
        if state is not None:
            raise
        problems.append(f"outcomes are numbered from 1 at each start: {error}")
        numbers = OutcomeNumbers()
    with closing(numbers):
        yield numbers


def _watch(services: Mapping[str, Service], log: Log, stopping: Event) -> None:
    """Pass incidents on as they come, keep systemd's watchdog quiet while all is well."""
    reported = dict.fromkeys(services, 0)
    while True:
        ended = stopping.wait(_POLL_S) or all(service.ended for service in services.values())
        for name, service in services.items():
            for each in service.counters.snapshot().incidents:
                if each.number > reported[name]:
                    log(f"{_named(name)}{each.part}: {each.text}")
                    reported[name] = each.number
        if ended:
            return
        for name, service in services.items():
            if problem := service.healthy():
                msg = f"the station cannot go on by itself: {_named(name)}{problem}; start it anew"
                raise StationError(msg)
        notify("WATCHDOG=1", f"STATUS={'; '.join(_status(service) for service in services.values())}")


def _named(name: str) -> str:
    return f"{name}: " if name else ""


def _status(service: Service) -> str:
    tally = service.counters.snapshot()
    return f"{tally.bundle}: {tally.offered} frames, {tally.rejected} rejected, {tally.late} late"


def _say_started(service: Service, front: Wiring, log: Log) -> None:
    name = _named(service.name)
    if front.web is not None:
        log(f"{name}page, metrics and inference at {front.web.url}")
    work = service.at_work
    sources = ", ".join(choice.kind for choice in service.settings.sources) or "HTTP alone"
    log(
        f"{name}{work.version} works: {work.model.row} on {work.model.backend}, rejects from "
        f"{work.model.threshold:.4f}, answers within {work.deadline_ns / 1e6:g} ms; frames from {sources}"
    )


@contextmanager
def _stopped_by_signals(stopping: Event) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end the station in good order; a second one ends it at once."""
    before: dict[int, Any] = {}

    def stop(number: int, _frame: Any) -> None:
        signal.signal(number, before[number])
        stopping.set()

    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, stop)
    except ValueError:  # not the main thread: whoever runs it there sets `stop`
        before.clear()
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
