"""Decoding photographs beside the hot path: several at once, so many and no more; what hangs is given up."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread, current_thread

from ...inspection.base.errors import DataError
from ..counters import Counters
from ..in_flight import Noticed
from ..outcomes import Pixels

MOST_HUNG = 8
"""Threads that hang in a read (a network share that died) cannot be ended; with so many only a new process helps."""


class Decoding:
    """Threads that decode; of each photograph `decoded` or `undecodable` is called, unless it was answered before."""

    def __init__(
        self,
        threads: int,
        *,
        most_bytes: int,
        stuck_s: float,
        counters: Counters,
        decoded: Callable[[Noticed, Pixels], None],
        undecodable: Callable[[Noticed, str], None],
    ) -> None:
        self._threads = threads
        self._most_bytes = most_bytes
        self._stuck_s = stuck_s
        self._counters = counters
        self._decoded, self._undecodable = decoded, undecodable
        self._queue: deque[Noticed] = deque()
        self._changed = Condition()
        self._stopped = False
        self._busy: dict[Thread, float] = {}
        self._hung = 0

    @property
    def hopeless(self) -> bool:
        """Whether so many of its threads hang that only a new process helps."""
        return self._hung >= MOST_HUNG

    def start(self) -> None:
        """Decode from now on."""
        for _ in range(self._threads):
            self._add_thread()

    def submit(self, noticed: Noticed) -> None:
        """Take a photograph; those that were answered meanwhile are let go, so that the queue stays bounded."""
        with self._changed:
            answered = [each for each in self._queue if each.answered]
            if answered:
                self._queue = deque(each for each in self._queue if not each.answered)
            self._queue.append(noticed)
            self._changed.notify()
        for each in answered:
            each.frame.dismiss()

    def look(self) -> None:
        """Begin another thread for each that hangs."""
        now_s = time.monotonic()
        with self._changed:
            hanging = [thread for thread, since_s in self._busy.items() if now_s - since_s > self._stuck_s]
            for each in hanging:
                del self._busy[each]
        for _ in hanging:
            self._hung += 1
            self._counters.note_restart(
                "decoder", f"hung for {self._stuck_s:g} s in a photograph; another one works on"
            )
            self._add_thread()

    def stop(self) -> None:
        """Decode what waits, then nothing more; returns at once."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _add_thread(self) -> None:
        Thread(target=self._run, name="decoder", daemon=True).start()

    def _run(self) -> None:
        mine = current_thread()
        while (noticed := self._next(mine)) is not None:
            self._decode(noticed)
            with self._changed:
                if self._busy.pop(mine, None) is None:
                    return  # it was given up, and another one works in its place

    def _next(self, mine: Thread) -> Noticed | None:
        with self._changed:
            while not self._queue and not self._stopped:
                self._changed.wait()
            if not self._queue:
                return None
            self._busy[mine] = time.monotonic()
            return self._queue.popleft()

    def _decode(self, noticed: Noticed) -> None:
        if noticed.answered:
            noticed.frame.dismiss()
            return
        try:
            image = noticed.frame.load(self._most_bytes)
        except DataError as error:
            self._undecodable(noticed, str(error))
        except Exception as error:  # noqa: BLE001 - whatever a decoder or a disk does, the part gets its answer
            self._undecodable(noticed, f"{type(error).__name__}: {error}")
        else:
            self._decoded(noticed, image)
