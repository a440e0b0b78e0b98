"""The process that writes a soak down: `python -m beltline.benchmarks.soak.recorder ORDERS`, frames on stdin.

It looks into its pipe now and then, so the measuring process never wakes it; keeps off that process's CPUs where there
are others, and else runs only when they are idle. It ends with its input, whoever was killed: Ctrl-C and the like do
not reach it, so that what was measured is written down.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...inspection.base.errors import MeasurementError
from ...targets.conditions import conditions, counters
from ..timing.disturbances import Clocks, clock_problem, read_clocks
from ..timing.measurement import TIMES
from ..timing.process import Channel, serve
from .folder import held, segment_file, session_folder
from .histogram import EMPTY, Histogram, histogram_of, merged, quantile_ns
from .segment import Rows, Segment, SegmentFacts, write_segment

ROW_BYTES = 8 * len(TIMES)
SEGMENT_FRAMES = 8_192
SEGMENT_S = 10.0
_NOTIFY_EVERY_S = 1.0
_POLL_S = 0.05
_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a recorder has to do.

    Attributes:
        folder: The soak's folder.
        soak: Digest of its plan.
        session: Which session is written; its folder is there.
        deadline_ns: Response times above it are misses, for those who look on.
        keep_off: CPUs that the measuring process has.
    """

    folder: str
    soak: str
    session: int
    deadline_ns: int
    keep_off: tuple[int, ...]


@dataclass(slots=True, kw_only=True)
class _Writer:
    """What has come and is not written yet, and the counts of what is."""

    orders: Orders
    waiting: bytearray = field(default_factory=bytearray)
    index: int = 0
    frames: int = 0
    misses: int = 0
    previous: Histogram = EMPTY
    clocks: Clocks = field(default_factory=read_clocks)

    def rows(self) -> Rows:
        whole = len(self.waiting) // ROW_BYTES
        return np.frombuffer(bytes(self.waiting[: whole * ROW_BYTES]), dtype=np.int64).reshape(whole, len(TIMES))

    def write(self) -> None:
        """Write all that waits as one segment.

        Raises:
            MeasurementError: The machine was suspended or its clock was set meanwhile: these times cannot be true.
            StorageError: The disk is full.
        """
        rows, clocks = self.rows(), read_clocks()
        if problem := clock_problem(self.clocks, clocks):
            msg = f"{problem} while frames came; keep the machine awake, and start the same soak again to go on"
            raise MeasurementError(msg)
        self.clocks = clocks
        facts = SegmentFacts(
            soak=self.orders.soak,
            session=self.orders.session,
            index=self.index,
            first_frame=self.frames,
            unix_s=round(time.time(), 3),
            conditions=conditions(),
            counters=counters(cpus=self.orders.keep_off),
        )
        session = session_folder(Path(self.orders.folder), self.orders.session)
        write_segment(segment_file(session, self.index), Segment(facts=facts, rows=rows))
        del self.waiting[: len(rows) * ROW_BYTES]
        response_ns = rows[:, -1] - rows[:, 0]
        self.previous = histogram_of(response_ns)
        self.misses += int((response_ns > self.orders.deadline_ns).sum())
        self.index, self.frames = self.index + 1, self.frames + len(rows)

    def progress(self) -> dict[str, Any]:
        """Say how it stands; quantiles are of the frames that wait and of the segment before them."""
        rows = self.rows()
        response_ns = rows[:, -1] - rows[:, 0]
        recent = merged(self.previous, histogram_of(response_ns))
        times = {f"p{share}_ms": quantile_ns(recent, share / 100) / 1e6 for share in (50, 99) if recent.frames}
        return {
            "frames": self.frames + len(rows),
            "misses": self.misses + int((response_ns > self.orders.deadline_ns).sum()),
            **times,
            **conditions(),
        }


def run(text: str, channel: Channel) -> int:
    """Record one session until the pipe on stdin is closed.

    Args:
        text: The orders as JSON.
        channel: Gets progress facts.

    Returns:
        0.
    """
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    orders = _orders(text)
    _step_aside(orders.keep_off)
    with held(Path(orders.folder)):
        record(sys.stdin.fileno(), orders, channel)
    return 0


def record(source: int, orders: Orders, channel: Channel) -> None:
    """Write what comes through a pipe into segments until it is closed; holds one segment at a time.

    Args:
        source: Descriptor to read rows from, 5 x int64 in the machine's byte order each.
        orders: Where they go.
        channel: Gets once a second how it stands.

    Raises:
        MeasurementError: The machine was suspended or its clock was set.
        StorageError: The disk is full or the folder cannot be written. All segments before are whole.
    """
    writer, notified_s, written_s = _Writer(orders=orders), 0.0, time.monotonic()
    for chunk in _chunks(source):
        writer.waiting += chunk
        now_s, frames = time.monotonic(), len(writer.waiting) // ROW_BYTES
        if frames >= SEGMENT_FRAMES or (frames and now_s - written_s >= SEGMENT_S):
            writer.write()
            written_s = now_s
        if now_s - notified_s >= _NOTIFY_EVERY_S:
            channel(writer.progress())
            notified_s = now_s
    if len(writer.waiting) >= ROW_BYTES:
        writer.write()
    channel(writer.progress())


def _orders(text: str) -> Orders:
    try:
        value: dict[str, Any] = json.loads(text)
        return Orders(**{**value, "keep_off": tuple(value["keep_off"])})
    except (ValueError, KeyError, TypeError) as error:
        msg = f"not a recorder's orders: {error}; `beltline bench --soak` starts it"
        raise MeasurementError(msg) from error


def _chunks(source: int) -> Iterator[bytes]:
    """Give what a pipe holds, at most 256 kB at a time, and b"" after each short sleep, until it is closed."""
    os.set_blocking(source, False)
    while True:
        try:
            chunk = os.read(source, _CHUNK_BYTES)
        except BlockingIOError:
            time.sleep(_POLL_S)
            yield b""
            continue
        if not chunk:
            return
        yield chunk


def _step_aside(keep_off: tuple[int, ...]) -> None:
    """Take the CPUs that the measuring process leaves; where it has all of them, run only when they are idle."""
    others = set(range(os.cpu_count() or 1)) - set(keep_off)
    try:
        os.sched_setaffinity(0, others)
    except OSError:  # none is left, or none that this container may use
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    raise SystemExit(serve(sys.argv[1:], run))
