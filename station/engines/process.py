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
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median_low
from threading import Thread
from typing import Any

import numpy as np

from ...export.artifacts import backends
from ...export.bundles.manifest import ModelFacts
from ...export.bundles.proof import Proven, prove_open
from ...export.bundles.reading import Unpacked, read_unpacked
from ...export.contracts import Session
from ...export.sessions import open_session
from ...inspection.base.errors import BeltlineError, MissingPartError, ParityError
from ...inspection.base.packages import missing_package
from ...inspection.decision.judging import SCORE_ALONE, Judge, Judged
from ...inspection.decision.limits import Ruling
from ..outcomes import NOT_ALIGNED
from ..readable import readable
from .memory import bytes_for_references, own_memory_bytes
from .pinning import keep_process_to, make_process_realtime
from .slots import FrameSlots, SlotLayout
from .wire import MOST_BYTES, MOST_HELLO_BYTES, Question, Reply, question_of, reply_bytes, ruling_bytes

_KILLED_FIRST = "500"
"""Where memory runs short the kernel is to kill an engine, which is started anew, and not the station."""

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
        memory_bytes: It may take so much memory of its own; above, the station kills it.
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
    memory_bytes: int
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
    with suppress(OSError):  # a container may show it read-only
        Path("/proc/self/oom_score_adj").write_text(_KILLED_FIRST, encoding="ascii")
    keep_process_to(tuple(orders.loading_cpus))
    channel = socket.socket(fileno=orders.channel)
    count, image_bytes = orders.slots
    slots = FrameSlots(SlotLayout(count=count, image_bytes=image_bytes), orders.memory)
    with ExitStack() as stack:
        try:
            session, proven, judge = _opened(stack, orders)
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
        _answer(channel, Prewake(channel, ready_ns=orders.ready_ns), Deciding(session, judge), slots)


@dataclass(frozen=True, slots=True)
class Deciding:
    """What decides on a frame: the model, and the limits of the line; None: the score alone does."""

    session: Session
    judge: Judge | None


def _opened(stack: ExitStack, orders: Orders) -> tuple[Session, Proven, Judge | None]:
    """Load the model and run its golden frames, which warms it up besides."""
    unpacked = read_unpacked(Path(orders.folder))
    model = next(each for each in unpacked.manifest.models if each.backend == orders.backend)
    backend = backends()[orders.backend]
    session = stack.enter_context(open_session(backend, unpacked.artifact(model), threads=orders.threads))
    proven, judge = prove_open(session, unpacked, model), _judge_of(unpacked, model)
    if model.frame.reference:
        _bound_references(orders.memory_bytes)
    return session, proven, judge


def _bound_references(most_bytes: int) -> None:
    from ...inspection.references.known import MOST_BYTES, forget, keep_at_most

    forget()  # those of the golden frames
    taken = own_memory_bytes(os.getpid())
    keep_at_most(min(MOST_BYTES, bytes_for_references(most_bytes=most_bytes, taken_bytes=taken)))


def _judge_of(unpacked: Unpacked, model: ModelFacts) -> Judge | None:
    """Give what judges findings; None: there are no limits, and OpenCV, which finds them, is not installed."""
    judging = unpacked.manifest.judging or SCORE_ALONE
    missing = missing_package("cv2", "station")
    if missing is not None and judging.limits:
        msg = f"the limits of this bundle need OpenCV: {missing}"
        raise MissingPartError(msg)
    if missing is not None:
        return None
    judge = Judge(judging, model.frame, model.threshold)
    judge.judge(1.0, np.full((8, 8), 255, np.uint8), size=(64, 64))  # loads OpenCV before the first frame
    return judge


def _answer(channel: socket.socket, questions: Prewake, deciding: Deciding, slots: FrameSlots) -> None:
    while raw := questions.next_message(MOST_BYTES):
        channel.send(reply_bytes(_decided(deciding, slots, question_of(raw))))


def _decided(deciding: Deciding, slots: FrameSlots, question: Question) -> Reply:
    """Decide; whatever the runtime raises is an answer, too: the next frame may be a better one."""
    score, rows, columns, problem, ruling = math.nan, 0, 0, "", b""
    started_ns = time.monotonic_ns()
    try:
        decision = deciding.session.infer(slots.image(question.slot, question[2:]))
        score = decision.score
        if not decision.aligned:
            ruling = ruling_bytes(Judged(ruling=Ruling(action="reject", because=NOT_ALIGNED), findings=()))
        elif deciding.judge is not None and score >= deciding.judge.threshold:
            size = (question.height // (2 if deciding.judge.compares else 1), question.width)
            ruling = ruling_bytes(deciding.judge.judge(score, decision.heatmap, size=size, kinds=decision.kinds))
        ended_ns = time.monotonic_ns()
        if not 0.0 <= score <= 1.0:
            problem = f"the model gave {score}, which is no score"
        elif decision.heatmap.size <= slots.layout.heatmap_bytes and decision.heatmap.ndim == 2:
            rows, columns = decision.heatmap.shape
            slots.heatmap(question.slot, (rows, columns))[:] = decision.heatmap
    except Exception as error:  # noqa: BLE001 - runtimes raise what they like
        ended_ns = time.monotonic_ns()
        problem = f"{type(error).__name__}: {error}"
    return Reply(question.token, score, rows, columns, started_ns, ended_ns, problem, ruling)


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    channel.send(json.dumps(message).encode()[:MOST_HELLO_BYTES])


def _end_with_station(lifeline: int) -> None:
    """Wait for the end of a pipe that only the station holds open; a hung runtime cannot outlive it either."""
    os.read(lifeline, 1)
    os._exit(1)


if __name__ == "__main__":
    main()
