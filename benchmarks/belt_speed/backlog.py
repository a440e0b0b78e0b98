"""Work that piles up: the frames of a trace, offered at any pace, through the belt's queue.

One device decides on frames in their order, each as soon as it is due and the one before is decided (D. V. Lindley,
"The theory of queues with a single server", Proc. Cambridge Phil. Soc. 48, 1952):
`decided[k] = max(due[k], decided[k - 1]) + busy[k]`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...inspection.base.errors import MeasurementError
from ..timing.measurement import Measurement

Times = NDArray[np.int64]
"""Times in ns, int64 `[frames]`."""

NEVER_NS = int(np.iinfo(np.int64).max)
"""Response time of a frame that was lost: longer than any deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What became of frames in the queue; all times in ns.

    Attributes:
        response_ns: From due to decided, int64 `[frames]`; `NEVER_NS` where the frame was lost.
        lost: Frames that found no place to wait.
        longest_frames: Most frames that waited at once, the one worked on not counted.
        longest_ns: Longest that a frame waited for its turn.
    """

    response_ns: Times
    lost: int
    longest_frames: int
    longest_ns: int

    def late(self, *, deadline_ns: int) -> NDArray[np.bool_]:
        """Whether each frame missed a deadline, bool `[frames]`; a lost one did."""
        return self.response_ns > deadline_ns


def busy_ns(measurement: Measurement) -> Times:
    """Give how long each judged frame kept the device busy, int64 `[frames - warmup]`.

    It counts from when the frame was due and the one before was decided, so what the pacer overslept is in it: offered
    as they were due, these times give the measured response times again, to the nanosecond.
    """
    free_ns = np.concatenate([[0], measurement.decided_ns[:-1]])
    free_ns[measurement.warmup : measurement.warmup + 1] = 0
    busy: Times = (measurement.decided_ns - np.maximum(measurement.scheduled_ns, free_ns))[measurement.warmup :]
    return busy


def replay(due: Times, busy: Times, *, buffer: int | None = None) -> Replay:
    """Send frames through the queue.

    Args:
        due: When each frame is due, ns, never falling, int64 `[frames]`, at least one.
        busy: How long each keeps the device busy, ns, >= 0, int64 `[frames]`.
        buffer: Frames that may wait while another is worked on; one more is lost, and the device never works on it.
            None: as many as come.

    Raises:
        MeasurementError: No frames, times that cannot be true, or a negative buffer.

    >>> found = replay(np.array([0, 10, 20, 30]), np.array([25, 5, 5, 5]))
    >>> found.response_ns.tolist(), found.longest_frames, found.longest_ns
    ([25, 20, 15, 10], 2, 15)
    >>> replay(np.array([0, 10, 20, 30]), np.array([25, 5, 5, 5]), buffer=1).lost
    1
    """
    _check(due, busy, buffer)
    before = np.cumsum(busy) - busy
    decided = before + busy + np.maximum.accumulate(due - before)
    started = decided - busy
    waiting = np.arange(1, due.size + 1) - np.searchsorted(started, due, side="right")
    longest = max(0, int(waiting.max()))
    if buffer is not None and longest > buffer:
        return _with_losses(due, busy, buffer)
    return Replay(response_ns=decided - due, lost=0, longest_frames=longest, longest_ns=int((started - due).max()))


def _with_losses(due: Times, busy: Times, buffer: int) -> Replay:
    """Go frame by frame: whether one is lost decides what the next ones find."""
    waiting = deque[int]()
    response, free, longest_frames, longest = [NEVER_NS] * due.size, int(due[0]), 0, 0
    for index, (at, work) in enumerate(zip(due.tolist(), busy.tolist(), strict=True)):
        while waiting and waiting[0] <= at:
            waiting.popleft()
        if free > at:
            if len(waiting) >= buffer:
                continue
            waiting.append(free)
            longest_frames, longest = max(longest_frames, len(waiting)), max(longest, free - at)
        free = max(free, at) + work
        response[index] = free - at
    return Replay(
        response_ns=np.array(response, dtype=np.int64),
        lost=response.count(NEVER_NS),
        longest_frames=longest_frames,
        longest_ns=longest,
    )


def _check(due: Times, busy: Times, buffer: int | None) -> None:
    if due.ndim != 1 or due.shape != busy.shape or not due.size:
        msg = f"replay: wanted due and busy times of the same frames, at least one, got {due.shape} and {busy.shape}"
        raise MeasurementError(msg)
    if busy.min() < 0 or (np.diff(due) < 0).any():
        msg = "replay: busy times must not be negative and due times never fall; measure again"
        raise MeasurementError(msg)
    if buffer is not None and buffer < 0:
        msg = f"buffer must be >= 0 frames, got {buffer}; leave it out for one without end"
        raise MeasurementError(msg)
