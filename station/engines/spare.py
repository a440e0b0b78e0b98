"""A spare engine: the bundle at work loaded once more and proven, so that a lost engine costs no frame but its own."""

from __future__ import annotations

import time
from threading import Lock

from ...inspection.base.errors import BeltlineError
from ..versions.at_work import AtWork
from .engine import Engine
from .starter import EngineStarter

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
