"""`beltline serve`: everything of one station started, watched and stopped together."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Event
from typing import Any

from ..inspection.base.errors import StationError, StorageError
from .counters import Tally
from .engines.pinning import keeping_to
from .frames import source_kinds
from .numbers import OutcomeNumbers, default_state_folder
from .outcomes import result_kinds
from .publishing.systemd import notify
from .publishing.wiring import Wiring
from .service import Service
from .settings import StationSettings, require_installed

_POLL_S = 0.5

Log = Callable[[str], None]


def serve(
    settings: StationSettings,
    log: Log,
    *,
    stop: Event | None = None,
    on_start: Callable[[Service], None] | None = None,
) -> Tally:
    """Run a station until it is stopped, or all its sources have ended.

    Args:
        settings: What it takes in and who receives its results.
        log: Takes sentences for people, one line each.
        stop: Ends it when set; None: SIGTERM and Ctrl-C alone do. Signals are only taken in the main thread.
        on_start: Called once with the service, before the first frame.

    Returns:
        All counts at the end; every frame offered has its answer then.

    Raises:
        BeltlineError: It cannot start: no bundle works here, or a package is not installed.
        StationError: It cannot go on by itself; whoever supervises it (systemd) is to start it anew.
    """
    require_installed("source", settings.sources, source_kinds())
    require_installed("result", settings.results, result_kinds())
    stopping = stop or Event()
    with _stopped_by_signals(stopping), ExitStack() as stack:
        problems: list[str] = []
        numbers = _numbers(settings, problems.append)
        stack.callback(numbers.close)
        service = Service(settings, numbers)
        numbers.note_problem = partial(service.counters.note_incident, "numbers")
        for problem in problems:
            numbers.note_problem(problem)
        stack.enter_context(keeping_to(service.other_cpus))
        try:
            front = Wiring(service)
        except BaseException:
            service.stop()
            raise
        stack.callback(front.stop)
        stack.callback(service.stop)
        if on_start is not None:
            on_start(service)
        service.start()
        front.start()
        if front.web is not None:
            log(f"page, metrics and inference at {front.web.url}")
        log(_describe_start(service))
        notify("READY=1", f"STATUS={service.at_work.version}")
        _watch(service, log, stopping)
        notify("STOPPING=1")
    return service.counters.snapshot()


def _numbers(settings: StationSettings, note_problem: Log) -> OutcomeNumbers:
    """Open the numbers; a folder that nobody named does not keep a station from working where it cannot be written."""
    if settings.state is not None:
        return OutcomeNumbers(settings.state, note_problem=note_problem)
    try:
        return OutcomeNumbers(default_state_folder(), note_problem=note_problem)
    except StorageError as error:
        note_problem(f"outcomes are numbered from 1 at each start: {error}")
        return OutcomeNumbers()


def _watch(service: Service, log: Log, stopping: Event) -> None:
    """Pass incidents on as they come, keep systemd's watchdog quiet while all is well."""
    reported = 0
    while True:
        ended = stopping.wait(_POLL_S) or service.ended
        for each in service.counters.snapshot().incidents:
            if each.number > reported:
                log(f"{each.part}: {each.text}")
                reported = each.number
        if ended:
            return
        if problem := service.healthy():
            msg = f"the station cannot go on by itself: {problem}; start it anew"
            raise StationError(msg)
        notify("WATCHDOG=1", f"STATUS={_status(service)}")


def _status(service: Service) -> str:
    tally = service.counters.snapshot()
    return f"{tally.bundle}: {tally.offered} frames, {tally.rejected} rejected, {tally.late} late"


def _describe_start(service: Service) -> str:
    work = service.at_work
    sources = ", ".join(choice.kind for choice in service.settings.sources) or "HTTP alone"
    return (
        f"{work.version} works: {work.model.row} on {work.model.backend}, rejects from {work.model.threshold:.4f}, "
        f"answers within {work.deadline_ns / 1e6:g} ms; frames from {sources}"
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
