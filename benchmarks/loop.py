"""The measuring loop: frames are offered when they are due, five times are noted of each, nothing else is done.

Bounded runs and endless ones go through this same loop; they differ in the schedule and in where the times go.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle

from ..export.contracts import Decision, Frame
from .pacing import wait_until

AT_ONCE = 0
"""Due time of a frame that is offered when the one before is decided: back to back."""

SLACK_NS = 600_000
"""So much must be left before the next frame is due, or nothing but measuring is done: half of it is spun away."""

Note = Callable[[int, int, int, int, int], str | None]
"""Takes a frame's times in the order of `trace.TIMES`; gives the reason to stop, or None to go on."""


def offer(
    infer: Callable[[Frame], Decision],
    frames: Sequence[Frame],
    due: Iterable[int],
    *,
    note: Note,
    in_slack: Callable[[], None],
) -> str | None:
    """Offer frames by a schedule, in turn, until the schedule ends or `note` says why to stop.

    Open loop: when a frame is due does not depend on the frames before it. One that finds the device busy starts
    late, and the wait is in its times.

    Args:
        infer: Decides on one frame; all its work is done when it returns.
        frames: Rotated through, at least one.
        due: Never falling times on the clock of `time.perf_counter_ns`, or `AT_ONCE`; may be endless.
        note: Called between two frames, whether there is slack or not, so it must cost next to nothing.
        in_slack: Called where `SLACK_NS` or more are left, and between frames that are offered at once.

    Returns:
        The reason that `note` gave; None where the schedule ended.
    """
    pictures, schedule, clock_ns = cycle(frames), iter(due), time.perf_counter_ns
    due_ns = next(schedule, None)
    while due_ns is not None:
        started_ns = wait_until(due_ns)
        decision = infer(next(pictures))
        decided_ns = clock_ns()
        reason = note(due_ns or started_ns, started_ns, decision.engine_start_ns, decision.engine_end_ns, decided_ns)
        if reason is not None:
            return reason
        due_ns = next(schedule, None)
        if due_ns is not None and (due_ns == AT_ONCE or due_ns - decided_ns >= SLACK_NS):
            in_slack()
    return None
