"""The conveyor's clock: when frames are due, and waiting for that moment without being late.

Open loop: the belt does not wait, so a frame's due time never depends on how long an earlier one took. Response times
count from the due time; a stall is thereby charged to every frame that it delays (G. Tene: coordinated omission).
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from ..inspection.errors import MeasurementError

_SPIN_NS = 300_000
"""How long before the due time sleeping ends: above the wake-up delay of an idle Linux core (some 50-100 us)."""


def belt_schedule_ns(frames: int, *, period_ns: int, first_ns: int) -> NDArray[np.int64]:
    """Give the due times of a belt's frames: `first_ns + k * period_ns`.

    Args:
        frames: How many, >= 1.
        period_ns: Distance of two parts, > 0.
        first_ns: When the first is due, on the clock of `time.perf_counter_ns`.

    Raises:
        MeasurementError: A number is out of range.

    >>> belt_schedule_ns(3, period_ns=15_000_000, first_ns=1_000).tolist()
    [1000, 15001000, 30001000]
    """
    if frames < 1 or period_ns < 1:
        msg = f"belt: wanted at least 1 frame and a period above 0 ns, got {frames} frames and {period_ns} ns"
        raise MeasurementError(msg)
    return first_ns + period_ns * np.arange(frames, dtype=np.int64)


def wait_until(due_ns: int) -> int:
    """Wait for a moment: sleep while it is far, spin when it is near; return at once if it has passed.

    Args:
        due_ns: On the clock of `time.perf_counter_ns`.

    Returns:
        The time at which waiting ended, never before `due_ns`.
    """
    while (left_ns := due_ns - time.perf_counter_ns()) > _SPIN_NS:
        time.sleep((left_ns - _SPIN_NS) / 1e9)
    while (now_ns := time.perf_counter_ns()) < due_ns:
        pass
    return now_ns
