"""How many frames one stall of the device makes late: the assumption behind a proof, in words of the belt.

Late frames come in bursts: the device does nothing for `stall_ms` (another process, a page written to disk, a clock
that drops), frames pile up, and all of them are late together. Such a burst is one event, not many.

The longest burst, derived. A trigger falls due every T; its c frames (one per camera) take u*T to work off, u being
the utilisation, so the device catches up by T*(1 - u) with each trigger. Worst case: a stall of S begins just as
trigger 0 falls due. Trigger k is then decided at S + (k + 1)*u*T and was due at k*T; it is late where

    S + (k + 1)*u*T - k*T > D,    that is    k < x = (S + u*T - D) / (T*(1 - u)).

So ceil(x) triggers are late, none for x <= 0, and no more whatever the phase of the stall: a later start delays each
of them less, an earlier one finds the device idle. Where bursts and jitter bring triggers closer together, k triggers
take at least k*T - W, W being how far the schedule leads or lags at most; each then waits up to W longer (S + W in
place of S). All c frames of a trigger count as late with it.

Source of the queue: D. V. Lindley, "The theory of queues with a single server", Proc. Cambridge Phil. Soc. 48 (1952).
"""

from __future__ import annotations

from math import ceil, floor

from ..base.errors import LineFileError
from .arrivals import Arrivals

_ASSUMED_UTILISATION = 0.5
_WAKING_UP_MS = 1.0
"""What a rest before a trigger adds to the work; measured: 0.5 to 0.8 ms on a virtual machine with 2 cores."""

_MOST_UTILISATION = 0.99


def burst_frames(stall_ms: float, *, arrivals: Arrivals, deadline_ms: float, utilisation: float) -> int:
    """Count the frames that one stall makes late at most; at least those of one trigger.

    Args:
        stall_ms: How long the device does nothing, >= 0.
        arrivals: When frames are due.
        deadline_ms: Where a frame is late, > 0.
        utilisation: Share of the time that the device works, >= 0; above 0.99 it counts as 0.99 (a device that cannot
            keep up never catches up, and is found out by its backlog).

    Raises:
        LineFileError: A number lies outside its range.

    >>> belt = Arrivals(period_ns=20_000_000)
    >>> [burst_frames(stall, arrivals=belt, deadline_ms=40.0, utilisation=0.1) for stall in (0.0, 50.0, 100.0, 400.0)]
    [1, 1, 4, 21]
    """
    period_ms, gained_ms = _pace(arrivals, deadline_ms, utilisation)
    if not 0 <= stall_ms < float("inf"):
        msg = f"stall_ms must be a number >= 0, got {stall_ms:g}; write 100 for a tenth of a second"
        raise LineFileError(msg)
    over_ms = stall_ms + _shift_ms(arrivals) + (period_ms - gained_ms) - deadline_ms
    return arrivals.cameras * max(1, ceil(_exact(over_ms / gained_ms)))


def stall_ms_for(frames: int, *, arrivals: Arrivals, deadline_ms: float, utilisation: float) -> int:
    """Give the shortest stall, in whole ms, that explains a burst of so many late frames: the mirror of the above.

    >>> belt = Arrivals(period_ns=20_000_000)
    >>> stall_ms_for(4, arrivals=belt, deadline_ms=40.0, utilisation=0.1)
    93
    >>> [burst_frames(stall, arrivals=belt, deadline_ms=40.0, utilisation=0.1) for stall in (92.0, 93.0)]
    [3, 4]
    """
    period_ms, gained_ms = _pace(arrivals, deadline_ms, utilisation)
    triggers = ceil(frames / arrivals.cameras)
    over_ms = (triggers - 1) * gained_ms
    return max(0, floor(_exact(over_ms - _shift_ms(arrivals) - (period_ms - gained_ms) + deadline_ms)) + 1)


def planned_utilisation(arrivals: Arrivals, *, deadline_ms: float, back_to_back_ms: float | None = None) -> float:
    """Say how busy the device will be, before it was measured at line rate.

    Args:
        arrivals: When frames are due.
        deadline_ms: Where a frame is late.
        back_to_back_ms: Median work on a frame where that is known. A device that rests between frames wakes up slowly
            (caches, clock), so twice that, or a millisecond more for each trigger, is planned for, up to half of the
            time. None: half of the time, or what a deadline shorter than the period leaves at most.

    Returns:
        In [0, 0.99].

    >>> belt = Arrivals(period_ns=20_000_000)
    >>> planned_utilisation(belt, deadline_ms=40.0), planned_utilisation(belt, deadline_ms=5.0)
    (0.5, 0.25)
    >>> planned_utilisation(belt, deadline_ms=40.0, back_to_back_ms=1.0)
    0.1
    """
    period_ms = arrivals.period_ns / 1e6
    if back_to_back_ms is None:
        return min(_ASSUMED_UTILISATION, deadline_ms / period_ms)
    busy = back_to_back_ms * arrivals.cameras / period_ms
    rested = max(2 * busy, busy + _WAKING_UP_MS / period_ms)
    return min(_MOST_UTILISATION, max(busy, min(rested, _ASSUMED_UTILISATION)))


def _pace(arrivals: Arrivals, deadline_ms: float, utilisation: float) -> tuple[float, float]:
    """Give the period and what the device catches up with each trigger, both in ms."""
    if not (deadline_ms > 0 and utilisation >= 0):
        msg = f"stalls: deadline_ms must be > 0 and utilisation >= 0, got {deadline_ms:g} and {utilisation:g}"
        raise LineFileError(msg)
    period_ms = arrivals.period_ns / 1e6
    return period_ms, period_ms * (1 - min(utilisation, _MOST_UTILISATION))


def _shift_ms(arrivals: Arrivals) -> float:
    """Bound how much closer than evenly triggers can come together: the farthest lead plus the farthest lag.

    Parts of a burst are held up, the first by all the others; photographs of a touching part come ahead of their time.
    """
    shift_ns = 2 * arrivals.jitter_ns
    if arrivals.burst_every:
        within_ns = arrivals.burst_pitch_ns // arrivals.frames_per_part
        shift_ns += (arrivals.burst_parts - 1) * (arrivals.part_ns - arrivals.burst_pitch_ns)
        shift_ns += (arrivals.frames_per_part - 1) * (arrivals.period_ns - within_ns)
    return shift_ns / 1e6


def _exact(value: float) -> float:
    """Take the rounding errors of a few operations off, so that what is whole on paper is whole here."""
    return round(value, 9)
