"""So many milliseconds of work in each second and no more, however large the frames are and however fast they come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

PAGE_MS_PER_S, RING_MS_PER_S, DRIFT_MS_PER_S = 50.0, 100.0, 100.0
"""Of CPU time of the one thread that does it: for pictures of the page, of the ring, and numbers for drift."""


class WorkBudget:
    """Used by one thread: fills in a second what may be worked in a second; whoever used it up rests."""

    def __init__(self, ms_per_s: float) -> None:
        self._share = ms_per_s / 1e3
        self._most_ns = ms_per_s * 1e6
        self._left_ns = self._most_ns
        self._at_ns = time.monotonic_ns()

    @property
    def spent(self) -> bool:
        """Whether nothing may be done now."""
        now_ns = time.monotonic_ns()
        self._left_ns = min(self._most_ns, self._left_ns + (now_ns - self._at_ns) * self._share)
        self._at_ns = now_ns
        return self._left_ns <= 0

    @contextmanager
    def work(self) -> Iterator[None]:
        """Count what is done in the block."""
        before_ns = time.thread_time_ns()
        try:
            yield
        finally:
            self._left_ns -= time.thread_time_ns() - before_ns
