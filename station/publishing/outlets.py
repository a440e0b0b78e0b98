"""Outlets: receivers of outcomes, each with a thread and a bounded queue of its own.

A slow or dead outlet never delays a decision: where its queue is full, what waited longest is dropped and counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition, Thread

from ..counters import Counters
from ..outcomes import Seen


class Outlet:
    """One of them.

    Attributes:
        name: In counts and messages.
    """

    def __init__(
        self, name: str, take: Callable[[Seen], None], counters: Counters, *, frames: int, with_pixels: bool
    ) -> None:
        self.name = name
        self._take = take
        self._counters = counters
        self._most = frames
        self._with_pixels = with_pixels
        self._queue: deque[Seen] = deque()
        self._changed = Condition()
        self._stopped = False
        self._failing = ""
        self._thread = Thread(target=self._run, name=f"outlet-{name}", daemon=True)

    def start(self) -> None:
        """Begin to take outcomes."""
        self._thread.start()

    def push(self, seen: Seen) -> None:
        """Hand an outcome over; returns at once."""
        if not self._with_pixels:
            seen = Seen(outcome=seen.outcome, image=None, heatmap=None)
        with self._changed:
            dropped = len(self._queue) >= self._most
            if dropped:
                self._queue.popleft()
            self._queue.append(seen)
            self._changed.notify()
        if dropped:
            self._counters.note_dropped(self.name)

    def end(self) -> None:
        """Take what waits, then nothing more; returns at once."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def join(self, timeout_s: float) -> None:
        """Wait for that at most so long; what is left then counts as dropped."""
        self._thread.join(max(0.0, timeout_s))
        with self._changed:
            left = len(self._queue)
            self._queue.clear()
        for _ in range(left):
            self._counters.note_dropped(self.name)

    def _run(self) -> None:
        while (seen := self._next()) is not None:
            try:
                self._take(seen)
            except Exception as error:  # noqa: BLE001, PERF203 - whatever happens out there, the line goes on
                self._counters.note_dropped(self.name)
                self._report(f"{type(error).__name__}: {error}")
            else:
                self._report("")

    def _next(self) -> Seen | None:
        with self._changed:
            while not self._queue and not self._stopped:
                self._changed.wait()
            return self._queue.popleft() if self._queue else None

    def _report(self, problem: str) -> None:
        """Report once that it fails, and that it works again."""
        if bool(problem) != bool(self._failing):
            self._counters.note_incident(
                self.name, f"does not take outcomes: {problem}" if problem else "takes them again"
            )
        self._failing = problem
