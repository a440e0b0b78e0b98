"""How long do late, and nearly late, frames come in a row, and how long a stall would explain that?

A proof rests on an assumption: no stall is longer than the gate's `stall_ms`. A run cannot confirm it, but it can
refute it. A burst of late frames longer than such a stall makes is a longer stall (or a slow phase, which is worse).
Mostly no frame is late at all; then nearly late ones tell, those above the middle between median and deadline: a
stall makes more frames nearly late than late, by the same law with the nearer threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log

import numpy as np
from numpy.typing import NDArray

from ...inspection.line.arrivals import Arrivals
from ...inspection.line.gates import MissGate
from ...inspection.line.stalls import burst_frames, stall_ms_for
from ..timing.measurement import Measurement

_NEVER_NS = 1 << 46
_FEWEST_NEAR_MISSES = 10
_CHANCE = 0.01
"""A burst is too long if independent ones would join to so long a one in fewer than 1 of 100 runs."""

_SELDOM = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """How triggers of one kind (late, or nearly late) follow each other, counted.

    Attributes:
        triggers: All triggers.
        marked: Those of the kind.
        series: Unbroken series of them.
        longest: Triggers of the longest series.
    """

    triggers: int
    marked: int
    series: int
    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LateBursts:
    """Frames in a row, all of them late or nearly late; the frames of one trigger stand and fall together.

    Attributes:
        utilisation: Median work on a trigger's frames over the period; 0 back to back.
        allowed_frames: Late frames that one stall of the gate's length explains, at this utilisation.
        longest_frames: Longest burst of late frames seen.
        near_ms: Responses above it are nearly late.
        allowed_near_frames: Nearly late frames that such a stall explains.
        longest_near_frames: Longest burst of nearly late frames seen.
        cluster_frames: Mean length of these bursts over that of independent frames, so that 1 means independent: the
            reciprocal of the extremal index by the runs estimator (Smith and Weissman, "Estimating the extremal
            index", JRSS B 56, 1994); 1 where there are fewer than 10 nearly late triggers, or chance explains it.
        stall_ms: The stall that explains the longest burst that is more than chance; 0 where there is none.
        stall_burst_frames: Late frames that one such stall makes.
        stretched_frames: Late frames to expect of one event, judged by how long nearly late ones last on the mean; at
            least `allowed_frames`.
        stretched_stall_ms: The stall that makes so many late.
    """

    utilisation: float
    allowed_frames: int
    longest_frames: int
    near_ms: float
    allowed_near_frames: int
    longest_near_frames: int
    cluster_frames: float
    stall_ms: int
    stall_burst_frames: int
    stretched_frames: float
    stretched_stall_ms: int


def late_bursts_of(measurement: Measurement, *, deadline_ms: float, gate: MissGate) -> LateBursts:
    """Measure the bursts of a run's judged frames.

    Args:
        measurement: With any number of judged frames.
        deadline_ms: Where a frame is late, > 0.
        gate: Its stall is what bursts are held against; its rate says how often they meet by chance.
    """
    belt, busy = belt_of(measurement), _utilisation(measurement)
    slowest_ms = by_trigger(measurement.response_ns / 1e6, belt.cameras)
    near_ms = near_limit_ms(float(np.median(slowest_ms)) if slowest_ms.size else deadline_ms, deadline_ms)
    late, near = runs_of(slowest_ms > deadline_ms), runs_of(slowest_ms > near_ms)
    return late_bursts_from(late, near, arrivals=belt, utilisation=busy, limits_ms=(deadline_ms, near_ms), gate=gate)


def late_bursts_from(
    late: Runs,
    near: Runs,
    *,
    arrivals: Arrivals,
    utilisation: float,
    limits_ms: tuple[float, float],
    gate: MissGate,
) -> LateBursts:
    """Judge bursts that were counted, for runs too long to be held in memory; see `late_bursts_of`.

    Args:
        late: Of late triggers.
        near: Of nearly late ones.
        arrivals: When frames are due.
        utilisation: Median work on a trigger's frames over the period.
        limits_ms: Above which responses are late, and nearly late.
        gate: As in `late_bursts_of`.
    """
    (deadline_ms, near_ms), cameras = limits_ms, arrivals.cameras
    allowed, allowed_near = (
        burst_frames(gate.stall_ms, arrivals=arrivals, deadline_ms=limit_ms, utilisation=utilisation)
        for limit_ms in limits_ms
    )
    cluster, stall_ms = cameras * _cluster(near), 0
    stretched = allowed * max(1.0, cluster / allowed_near)
    for longest, limit_ms, too_long in (
        (late.longest, deadline_ms, _late_too_long(late, allowed // cameras, gate.max)),
        (near.longest, near_ms, _near_too_long(near, allowed_near // cameras)),
    ):
        if too_long:
            frames = longest * cameras
            seen_ms = stall_ms_for(frames, arrivals=arrivals, deadline_ms=limit_ms, utilisation=utilisation)
            stall_ms = max(stall_ms, seen_ms)
    return LateBursts(
        utilisation=utilisation,
        allowed_frames=allowed,
        longest_frames=late.longest * cameras,
        near_ms=near_ms,
        allowed_near_frames=allowed_near,
        longest_near_frames=near.longest * cameras,
        cluster_frames=cluster,
        stall_ms=stall_ms,
        stall_burst_frames=burst_frames(stall_ms, arrivals=arrivals, deadline_ms=deadline_ms, utilisation=utilisation),
        stretched_frames=stretched,
        stretched_stall_ms=stall_ms_for(
            ceil(stretched), arrivals=arrivals, deadline_ms=deadline_ms, utilisation=utilisation
        ),
    )


def near_limit_ms(median_ms: float, deadline_ms: float) -> float:
    """Say from where on a response is nearly late: in the middle between median and deadline."""
    return (min(median_ms, deadline_ms) + deadline_ms) / 2


def runs_of(marked: NDArray[np.bool_]) -> Runs:
    """Count the series of marked triggers, bool `[triggers]`.

    >>> runs_of(np.array([True, True, False, True]))
    Runs(triggers=4, marked=3, series=2, longest=2)
    """
    gaps = np.flatnonzero(~np.concatenate([[False], marked, [False]]))
    lengths = np.diff(gaps) - 1
    return Runs(
        triggers=marked.size,
        marked=int(marked.sum()),
        series=int(np.count_nonzero(lengths)),
        longest=int(lengths.max(initial=0)),
    )


def allowed_burst_frames(measurement: Measurement, *, deadline_ms: float, stall_ms: float) -> int:
    """Count the late frames that one stall explains, at the utilisation measured."""
    return burst_frames(
        stall_ms, arrivals=belt_of(measurement), deadline_ms=deadline_ms, utilisation=_utilisation(measurement)
    )


def belt_of(measurement: Measurement) -> Arrivals:
    """Give the rule of the schedule; back to back nothing waits, as on a belt that brings a frame now and then."""
    return measurement.arrivals or Arrivals(period_ns=_NEVER_NS)


def _utilisation(measurement: Measurement) -> float:
    work_ns = (measurement.decided_ns - measurement.started_ns)[measurement.warmup :]
    if measurement.arrivals is None or not work_ns.size:
        return 0.0
    return float(np.median(work_ns)) * measurement.arrivals.cameras / measurement.period_ns


def by_trigger(response_ms: NDArray[np.float64], cameras: int) -> NDArray[np.float64]:
    """Give the slowest response of each trigger's frames, float64 `[triggers]`."""
    if cameras == 1 or not response_ms.size:
        return response_ms
    return np.maximum.reduceat(response_ms, np.arange(0, response_ms.size, cameras))


def _cluster(near: Runs) -> float:
    """Estimate how long bursts are; 1 where independent triggers would stand side by side as often by chance."""
    from scipy.special import betainc

    if near.marked < _FEWEST_NEAR_MISSES:
        return 1.0
    rate, side_by_side = near.marked / near.triggers, near.marked - near.series
    by_chance = betainc(side_by_side, near.series + 1, rate) if side_by_side else 1.0
    return max(1.0, near.marked / near.series * (1 - rate)) if by_chance < _SELDOM else 1.0


def _late_too_long(late: Runs, allowed: int, max_rate: float) -> bool:
    """Whether bursts as long as allowed, at the highest rate allowed, would hardly ever join to such a one."""
    joined = ceil(late.longest / allowed)
    return late.longest > allowed and log(late.triggers / allowed) + joined * log(max_rate) < log(_CHANCE)


def _near_too_long(near: Runs, allowed: int) -> bool:
    """Whether independent triggers, as often nearly late as those seen, would hardly ever prolong a burst so far."""
    beyond = near.longest - allowed
    return beyond > 0 and log(near.triggers) + beyond * log(near.marked / near.triggers) < log(_CHANCE)
