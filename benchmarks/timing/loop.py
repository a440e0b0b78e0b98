"""The measuring loop: frames are offered when they are due, five times are noted of each, nothing else is done.

Bounded runs and endless ones go through this same loop; they differ in the schedule and in where the times go.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle

from ...export.contracts import Decision, Frame
from .pacing import SPIN_NS, wait_until

AT_ONCE = 0
"""Due time of a frame that is offered when the one before is decided: back to back."""

_SLACK_NS = 300_000
"""So much must be left before the pacer spins for the next frame, or nothing but measuring is done."""

Note = Callable[[int, int, int, int, int], str | None]
"""Takes a frame's times in the order of `measurement.TIMES`; gives the reason to stop, or None to go on."""


def offer(
    infer: Callable[[Frame], Decision],
    frames: Sequence[Frame],
    due: Iterable[int],
    *,
    note: Note,
    in_slack: Callable[[], None],
    spin_ns: int = SPIN_NS,
) -> str | None:
    """Offer frames by a schedule, in turn, until the schedule ends or `note` says why to stop.

    Open loop: when a frame is due does not depend on the frames before it. One that finds the device busy starts
    late, and the wait is in its times.

    Args:
        infer: Decides on one frame; all its work is done when it returns.
        frames: Rotated through, at least one.
        due: Never falling times on the clock of `time.perf_counter_ns`, or `AT_ONCE`; may be endless.
        note: Called between two frames, whether there is slack or not, so it must cost next to nothing.
        in_slack: Called where 0.3 ms or more are left before the pacer spins, and between frames offered at once.
        spin_ns: How long before a due time the pacer spins; see `timer`.

    Returns:
        The reason that `note` gave; None where the schedule ended.
    """
    pictures, schedule, clock_ns = cycle(frames), iter(due), time.perf_counter_ns
    slack_ns = spin_ns + _SLACK_NS
    due_ns = next(schedule, None)
    while due_ns is not None:
        started_ns = wait_until(due_ns, spin_ns=spin_ns)
        decision = infer(next(pictures))
        decided_ns = clock_ns()
        reason = note(due_ns or started_ns, started_ns, decision.engine_start_ns, decision.engine_end_ns, decided_ns)
        if reason is not None:
            return reason
        due_ns = next(schedule, None)
        if due_ns is not None and (due_ns == AT_ONCE or due_ns - decided_ns >= slack_ns):
            in_slack()
    return None
