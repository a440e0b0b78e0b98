"""Garbage collection, kept out of the way of frames: only where none is under way, and of what is new at most."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from threading import Lock

_EVERY_NS = 1_000_000_000
_WHOLE_EVERY_NS = 60_000_000_000
_AT_THE_LATEST_NS = 30_000_000_000


class Collector:
    """Python's collector, called explicitly; safe to use from several threads."""

    def __init__(self, *, all_idle: Callable[[], bool] = lambda: True) -> None:
        """Set aside all that is there now: it stays, and is never looked at again.

        Args:
            all_idle: Whether none of those who share the process has a frame under way.
        """
        self._all_idle = all_idle
        self._collecting = Lock()
        gc.collect()
        gc.freeze()
        gc.disable()
        self._last_ns = self._last_whole_ns = time.monotonic_ns()

    def look(self, *, idle: bool) -> None:
        """Collect about once a second where no frame is under way; on a line that never pauses, twice a minute."""
        now_ns = time.monotonic_ns()
        since_ns = now_ns - self._last_ns
        if since_ns < _EVERY_NS or not ((idle and self._all_idle()) or since_ns > _AT_THE_LATEST_NS):
            return
        if not self._collecting.acquire(blocking=False):
            return
        whole = now_ns - self._last_whole_ns > _WHOLE_EVERY_NS
        gc.collect(2 if whole else 1)
        self._last_ns = now_ns
        self._last_whole_ns = now_ns if whole else self._last_whole_ns
        self._collecting.release()

    def close(self) -> None:
        """Let Python collect as it likes again."""
        gc.enable()
        gc.unfreeze()
