"""The conveyor's clock: waiting for the moment at which a frame is due without being late.

Open loop: the belt does not wait, so a frame's due time never depends on how long an earlier one took. Response times
count from the due time; a stall is thereby charged to every frame that it delays (G. Tene: coordinated omission).
"""

from __future__ import annotations

import time

SPIN_NS = 300_000
"""How long before the due time sleeping ends if nothing else was measured (see `timer`): some three times the wake-up
delay of an idle Linux core."""


def wait_until(due_ns: int, *, spin_ns: int = SPIN_NS) -> int:
    """Wait for a moment: sleep while it is far, spin when it is near; return at once if it has passed.

    Args:
        due_ns: On the clock of `time.perf_counter_ns`.
        spin_ns: How near is near: longer than sleeping oversleeps.

    Returns:
        The time at which waiting ended, never before `due_ns`.
    """
    while (left_ns := due_ns - time.perf_counter_ns()) > spin_ns:
        time.sleep((left_ns - spin_ns) / 1e9)
    while (now_ns := time.perf_counter_ns()) < due_ns:
        pass
    return now_ns
