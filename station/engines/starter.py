"""Starting engines: the bundle that should work, else the latest before it that does; and one kept as a spare."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from threading import Lock

from ...export.artifacts import built_where_it_runs
from ...inspection.base.errors import BeltlineError, BundleError
from ..counters import Counters
from ..publishing.systemd import notify
from ..settings import StationSettings
from ..versions.at_work import AtWork, BundleStore
from ..versions.self_test import build_apart, usual_limits
from .engine import Engine, start_engine
from .memory import usual_memory_bytes
from .pinning import Pinning, pinning_for
from .sharing import Share
from .slots import FrameSlots

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 5.0, 300.0


class Spare:
    """Kept by one thread, taken by another."""

    def __init__(self, starter: EngineStarter) -> None:
        """Start none yet."""
        self._starter = starter
        self._engine: Engine | None = None
        self._lock = Lock()
        self._pause_s, self._not_before_s = _FIRST_PAUSE_S, 0.0

    def keep(self, at_work: AtWork) -> None:
        """See to it that one is there for this bundle; takes as long as an engine takes to load.

        Raises:
            BeltlineError: It could not be started; further calls do nothing for a while.
        """
        if self._fits(self._engine, at_work) or time.monotonic() < self._not_before_s:
            return
        self.drop()
        try:
            engine = self._starter.started(at_work)
        except BeltlineError:
            self._not_before_s = time.monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            raise
        self._pause_s = _FIRST_PAUSE_S
        with self._lock:
            self._engine = engine

    def take(self, at_work: AtWork) -> Engine | None:
        """Give it away, at once; None: none is there for this bundle."""
        with self._lock:
            engine = self._engine
            if not self._fits(engine, at_work):
                return None
            self._engine = None
            return engine

    def drop(self) -> None:
        """End it, if one is there."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    @staticmethod
    def _fits(engine: Engine | None, at_work: AtWork) -> bool:
        return engine is not None and engine.at_work is at_work and engine.alive


_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 30.0


class EngineStarter:
    """Starts engine processes of one station; what does not work is said and passed over."""

    def __init__(
        self, settings: StationSettings, store: BundleStore, slots: FrameSlots, counters: Counters, share: Share
    ) -> None:
        """Take its share of the CPUs that there are now: later ones of its threads may be kept to fewer."""
        self._settings = settings
        self._store = store
        self._slots = slots
        self._share = share
        self._counters = counters

    def started(self, at_work: AtWork) -> Engine:
        """Start an engine for a bundle; returns when its golden frames have passed.

        Raises:
            BeltlineError: It cannot work here.
        """
        pinning = self.pinning(at_work)
        if built_where_it_runs(at_work.model.backend):  # the engine process has to be ready soon
            notify(f"EXTEND_TIMEOUT_USEC={int(usual_limits('build').seconds * 1e6)}")
            build_apart(at_work.unpacked, notify=_to_stderr)
        limit_s = self._settings.watchdog.start_s
        return start_engine(at_work, self._slots, pinning, timeout_s=limit_s, memory_bytes=self.memory_bytes)

    @property
    def memory_bytes(self) -> int:
        """So much memory of its own an engine may take."""
        limit_mb = self._settings.engine.memory_mb
        return usual_memory_bytes() if limit_mb is None else int(limit_mb * 1e6)

    def pinning(self, at_work: AtWork) -> Pinning:
        """Say which CPUs a bundle's engine gets.

        Raises:
            StationError: A CPU was named that the station may not use.
        """
        measured = at_work.unpacked.manifest.device.threads
        return pinning_for(
            self._settings.engine,
            self._share.usable,
            measured_threads=measured,
            shared=self._share.turn.shared,
        )

    def first(self, *, uncommitted: int | None) -> Engine:
        """Start with the version that should work, or go back from it until one does.

        Args:
            uncommitted: A generation that did not pass its trial, see `BundleStore.candidates`.

        Raises:
            BeltlineError: None works; the message is that of the version that should.
        """
        failure: BeltlineError | None = None
        for candidate in self._store.candidates(uncommitted=uncommitted):
            try:
                return self.started(candidate())
            except BeltlineError as error:  # noqa: PERF203
                failure = failure or error
                self._counters.note_incident("bundle", f"cannot work: {error}")
        raise failure or BundleError("no version is installed that could work; install a bundle")

    def again(self, at_work: AtWork, *, wait: Callable[[float], bool]) -> Engine | None:
        """Start the same bundle again, else what else is there; over and over with longer pauses, until one works.

        Args:
            at_work: The bundle.
            wait: Waits so many seconds; whether the station stops meanwhile.

        Returns:
            None where the station stops.
        """
        pause_s = _FIRST_PAUSE_S
        while True:
            for candidate in self._candidates(at_work):
                try:
                    return self.started(candidate())
                except BeltlineError as error:  # noqa: PERF203
                    self._counters.note_incident("engine", f"cannot be started: {error}")
            if wait(pause_s):
                return None
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _candidates(self, at_work: AtWork) -> list[Callable[[], AtWork]]:
        try:
            others = self._store.candidates()  # a bundle file is unpacked anew: someone may have tidied /tmp
        except BundleError:
            others = []
        return [lambda: at_work, *others]


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
