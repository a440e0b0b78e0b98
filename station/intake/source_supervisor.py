"""Keeps one source open: a thread that takes its frames, and starts anew what fails, falls silent or hangs."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from threading import Event, Thread, current_thread

from ...inspection.base.errors import BeltlineError, SourceError
from ..counters import Counters
from ..engines.pinning import make_thread_realtime
from ..frames import AnyFrame, PixelRule, Quiet, source_kinds
from ..settings import SourceChoice, WatchdogSettings

_WAIT_S = 0.25
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 10.0
_JOIN_S = 3.0
MOST_HUNG = 8
"""Threads that hang inside a driver cannot be ended; with so many of them only a new process helps."""


class SourceSupervisor:
    """One source of a station.

    Attributes:
        name: In frames, counts and messages.
        ended: Whether no frame will come any more.
    """

    def __init__(
        self,
        name: str,
        choice: SourceChoice,
        *,
        pixels: PixelRule,
        take: Callable[[AnyFrame], None],
        counters: Counters,
        watchdog: WatchdogSettings,
        realtime: bool = False,
    ) -> None:
        self.name = name
        self.ended = False
        self._choice = choice
        self._pixels = pixels
        self._take = take
        self._counters = counters
        self._watchdog = watchdog
        self._realtime = realtime
        self._stopping = Event()
        self._alive_ns = time.monotonic_ns()
        self._hung = self._taken = 0
        self._thread = Thread()

    @property
    def hopeless(self) -> bool:
        """Whether so many of its threads hang that only a new process helps."""
        return self._hung >= MOST_HUNG

    def start(self) -> None:
        """Take frames from now on, in a thread of its own."""
        self._alive_ns = time.monotonic_ns()
        self._thread = Thread(target=self._run, name=f"source-{self.name}", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Give up a thread that hangs inside its source, and begin with a new one."""
        silent_s = (time.monotonic_ns() - self._alive_ns) / 1e9
        if self.ended or self._stopping.is_set() or silent_s < self._watchdog.source_stuck_s:
            return
        self._hung += 1
        self._counters.note_restart(self.name, f"hung for {silent_s:.1f} s; it is opened again")
        self.start()

    def stop(self) -> None:
        """Take no frame from now on; a thread that hangs is left behind."""
        self._stopping.set()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        mine = current_thread()
        if self._realtime:
            make_thread_realtime()
        pause_s, reported = _FIRST_PAUSE_S, ""
        while self._works(mine):
            taken_before = self._taken
            try:
                self._open_and_take(mine)
                continue
            except Exception as error:  # noqa: BLE001 - drivers raise what they like, and the line goes on
                problem = str(error) if isinstance(error, BeltlineError) else f"{type(error).__name__}: {error}"
            if self._taken > taken_before:
                pause_s, reported = _FIRST_PAUSE_S, ""
            if problem != reported:
                self._counters.note_restart(self.name, f"{problem}; it is opened again until it works")
            reported = problem
            self._alive_ns = time.monotonic_ns()
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _open_and_take(self, mine: Thread) -> None:
        """Take frames until the source ends, fails or falls silent."""
        kind = source_kinds()[self._choice.kind]
        with closing(kind.open(self._choice.settings, name=self.name, pixels=self._pixels)) as source:
            last_ns = time.monotonic_ns()
            while self._works(mine):
                self._alive_ns = time.monotonic_ns()
                frame = source.next_frame(_WAIT_S)
                if not isinstance(frame, Quiet):
                    self._take(frame)  # also of a thread that was given up meanwhile: the part was photographed
                    self._taken += 1
                    last_ns = time.monotonic_ns()
                elif frame is Quiet.ENDED:
                    self.ended = True
                    self._counters.note_incident(self.name, "it has ended: no frame will come from it any more")
                else:
                    self._require_not_silent(last_ns)

    def _works(self, mine: Thread) -> bool:
        return not self.ended and not self._stopping.is_set() and mine is self._thread

    def _require_not_silent(self, last_ns: int) -> None:
        silent_s, limit_s = (time.monotonic_ns() - last_ns) / 1e9, self._watchdog.source_s
        if limit_s is not None and silent_s > limit_s:
            msg = f"silent for {silent_s:.1f} s, wanted a frame at least every {limit_s:g} s"
            raise SourceError(msg)
