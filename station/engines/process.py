"""The process that the model runs in: `python -m beltline.station.engines.process ORDERS`, started by `engine`.

A process of its own: a runtime that hangs or dies is started anew, and nothing else of the station holds it up.
"""

from __future__ import annotations

import gc
import json
import math
import os
import signal
import socket
import sys
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median_low
from threading import Thread
from typing import Any

from ...export.artifacts import backends
from ...export.bundles.proof import Proven, prove_open
from ...export.bundles.reading import read_unpacked
from ...export.contracts import Session
from ...inspection.base.errors import BeltlineError, ParityError
from ..readable import readable
from .pinning import keep_process_to, make_process_realtime
from .slots import HEATMAP_BYTES, FrameSlots, SlotLayout
from .wire import MOST_BYTES, MOST_HELLO_BYTES, Question, Reply, question_of, reply_bytes

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
            readable([self._channel.fileno()], None)
            raw = self._poll(most_bytes)
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
        readable([self._channel.fileno()], max(0.0, left_ns / 1e9))
        while (raw := self._poll(most_bytes)) is None:
            if time.monotonic_ns() > expected_ns + _AFTERWARDS * self._ready_ns:
                return None
        return raw

    def _poll(self, most_bytes: int) -> bytes | None:
        try:
            return self._channel.recv(most_bytes)
        except BlockingIOError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What the process gets on its command line.

    Attributes:
        folder: The unpacked bundle.
        backend: Runtime of the model to run.
        threads: Of the runtime.
        cpus: To keep to once the model is loaded; none: anywhere.
        loading_cpus: To keep to until then; none: anywhere.
        realtime: Whether to go ahead of other programs once it is loaded.
        ready_ns: So long before a frame is expected it stops sleeping; 0: never.
        channel: Descriptor of the socket that questions come by.
        lifeline: Descriptor of a pipe that ends when the station does.
        memory: Descriptor of the frames' memory.
        slots: Layout of that memory: count and bytes of an image.
    """

    folder: str
    backend: str
    threads: int
    cpus: tuple[int, ...]
    loading_cpus: tuple[int, ...]
    realtime: bool
    ready_ns: int
    channel: int
    lifeline: int
    memory: int
    slots: tuple[int, int]

    def to_json(self) -> str:
        """Write them as one argument."""
        return json.dumps(asdict(self))


def main() -> None:
    """Load the model, prove it on its golden frames, say so, then answer questions until the station is gone."""
    orders = Orders(**json.loads(sys.argv[1]))
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # it is the station that stops, and this process with it
    Thread(target=_end_with_station, args=(orders.lifeline,), daemon=True).start()
    keep_process_to(tuple(orders.loading_cpus))
    channel = socket.socket(fileno=orders.channel)
    count, image_bytes = orders.slots
    slots = FrameSlots(SlotLayout(count=count, image_bytes=image_bytes), orders.memory)
    with ExitStack() as stack:
        try:
            session, proven = _opened(stack, orders)
        except BeltlineError as error:
            _send(channel, {"failed": str(error), "flipped": isinstance(error, ParityError)})
            return
        keep_process_to(tuple(orders.cpus))
        if orders.realtime:
            make_process_realtime()
        gc.collect()
        gc.freeze()
        gc.disable()  # nothing from here on makes cycles
        _send(channel, {"max_abs": proven.max_abs, "frames": proven.frames})
        _answer(channel, Prewake(channel, ready_ns=orders.ready_ns), session, slots)


def _opened(stack: ExitStack, orders: Orders) -> tuple[Session, Proven]:
    """Load the model and run its golden frames, which warms it up besides."""
    unpacked = read_unpacked(Path(orders.folder))
    model = next(each for each in unpacked.manifest.models if each.backend == orders.backend)
    backend = backends()[orders.backend]
    session = stack.enter_context(backend.load(unpacked.artifact(model), threads=orders.threads))
    return session, prove_open(session, unpacked, model)


def _answer(channel: socket.socket, questions: Prewake, session: Session, slots: FrameSlots) -> None:
    while raw := questions.next_message(MOST_BYTES):
        channel.send(reply_bytes(_decided(session, slots, question_of(raw))))


def _decided(session: Session, slots: FrameSlots, question: Question) -> Reply:
    """Decide; whatever the runtime raises is an answer, too: the next frame may be a better one."""
    score, rows, columns, problem = math.nan, 0, 0, ""
    started_ns = time.monotonic_ns()
    try:
        decision = session.infer(slots.image(question.slot, question[2:]))
        ended_ns = time.monotonic_ns()
        score = decision.score
        if not 0.0 <= score <= 1.0:
            problem = f"the model gave {score}, which is no score"
        elif decision.heatmap.size <= HEATMAP_BYTES and decision.heatmap.ndim == 2:
            rows, columns = decision.heatmap.shape
            slots.heatmap(question.slot, (rows, columns))[:] = decision.heatmap
    except Exception as error:  # noqa: BLE001 - runtimes raise what they like
        ended_ns = time.monotonic_ns()
        problem = f"{type(error).__name__}: {error}"
    return Reply(question.token, score, rows, columns, started_ns, ended_ns, problem)


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    channel.send(json.dumps(message).encode()[:MOST_HELLO_BYTES])


def _end_with_station(lifeline: int) -> None:
    """Wait for the end of a pipe that only the station holds open; a hung runtime cannot outlive it either."""
    os.read(lifeline, 1)
    os._exit(1)


if __name__ == "__main__":
    main()
