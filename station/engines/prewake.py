"""Being awake when the next frame comes: a process that sleeps until then is late and finds its caches cold.

On a belt frames come evenly. A little before the next one is due the engine process stops sleeping and looks again and
again; if none comes it soon sleeps on, and the next frame wakes it as any other. (As `benchmarks.pacing` waits.)
"""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from statistics import median_low

_GAPS = 5
_SHORTEST_GAP_NS, _LONGEST_GAP_NS = 2_000_000, 2_000_000_000
_AFTERWARDS = 2
"""So many times as long as before the moment expected it is waited for beyond it: frames are late rather than early."""


class Prewake:
    """Waits for messages at a socket.

    >>> ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    >>> _ = ours.send(b"a question")
    >>> Prewake(theirs, ready_ns=300_000).next_message(64)
    b'a question'
    >>> ours.close(), theirs.close()
    (None, None)
    """

    def __init__(self, channel: socket.socket, *, ready_ns: int) -> None:
        """Wait at a connected socket; it is made non-blocking.

        Args:
            channel: Keeps messages apart (SOCK_SEQPACKET).
            ready_ns: So long before a message is expected waiting gets restless; 0: never.
        """
        channel.setblocking(False)
        self._channel = channel
        self._ready_ns = ready_ns
        self._gaps: deque[int] = deque(maxlen=_GAPS)
        self._last_ns = 0

    def next_message(self, most_bytes: int) -> bytes:
        """Wait for a message; empty: nobody will ever send one."""
        raw = self._restlessly(most_bytes)
        while raw is None:
            select.select([self._channel], (), ())
            raw = self._look(most_bytes)
        now_ns = time.monotonic_ns()
        self._gaps.append(now_ns - self._last_ns)
        self._last_ns = now_ns
        return raw

    def _restlessly(self, most_bytes: int) -> bytes | None:
        gap_ns = median_low(self._gaps) if len(self._gaps) == _GAPS else 0
        if not self._ready_ns or not _SHORTEST_GAP_NS < gap_ns < _LONGEST_GAP_NS:
            return None
        expected_ns = self._last_ns + gap_ns
        left_ns = expected_ns - self._ready_ns - time.monotonic_ns()
        select.select([self._channel], (), (), max(0.0, left_ns / 1e9))
        while (raw := self._look(most_bytes)) is None:
            if time.monotonic_ns() > expected_ns + _AFTERWARDS * self._ready_ns:
                return None
        return raw

    def _look(self, most_bytes: int) -> bytes | None:
        try:
            return self._channel.recv(most_bytes)
        except BlockingIOError:
            return None
