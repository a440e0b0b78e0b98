"""How long do late, and nearly late, frames come in a row, and how long a stall would explain that?

A proof rests on an assumption: no stall is longer than the gate's `stall_ms`. A run cannot confirm it, but it can
refute it. A spell of late frames longer than such a stall makes is a longer stall (or a slow phase, which is worse).
Mostly no frame is late at all; then nearly late ones tell, those above the middle between median and deadline: a
stall makes more frames nearly late than late, by the same law with the nearer threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log

import numpy as np
from numpy.typing import NDArray

from ..inspection.arrivals import Arrivals
from ..inspection.gates import MissGate
from ..inspection.stalls import spell_frames, stall_ms_for
from .measurement import Measurement

_NEVER_NS = 1 << 46
_FEWEST_NEAR_MISSES = 10
_CHANCE = 0.01
"""A spell is too long if independent ones would join to so long a one in fewer than 1 of 100 runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spells:
    """Frames in a row, all of them late or nearly late; the frames of one trigger stand and fall together.

    Attributes:
        utilisation: Median work on a trigger's frames over the period; 0 back to back.
        allowed_frames: Late frames that one stall of the gate's length explains, at this utilisation.
        longest_frames: Longest spell of late frames seen.
        near_ms: Responses above it are nearly late.
        allowed_near_frames: Nearly late frames that such a stall explains.
        longest_near_frames: Longest spell of nearly late frames seen.
        cluster_frames: Mean length of these spells over that of independent frames, so that 1 means independent: the
            reciprocal of the extremal index by the runs estimator (Smith and Weissman, "Estimating the extremal
            index", JRSS B 56, 1994); 1 where there are fewer than 10 nearly late triggers.
        stall_ms: The stall that explains the longest spell that is more than chance; 0 where there is none.
        stall_spell_frames: Late frames that one such stall makes.
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
    stall_spell_frames: int
    stretched_frames: int
    stretched_stall_ms: int


def spells_of(measurement: Measurement, *, deadline_ms: float, gate: MissGate) -> Spells:
    """Measure the spells of a run's judged frames.

    Args:
        measurement: With any number of judged frames.
        deadline_ms: Where a frame is late, > 0.
        gate: Its stall is what spells are held against; its rate says how often they meet by chance.
    """
    belt, busy = _belt(measurement), _utilisation(measurement)
    slowest_ms = _by_trigger(measurement.response_ns / 1e6, belt.cameras)
    near_ms = (min(float(np.median(slowest_ms)), deadline_ms) + deadline_ms) / 2 if slowest_ms.size else deadline_ms
    late, near = slowest_ms > deadline_ms, slowest_ms > near_ms
    allowed, allowed_near = (
        spell_frames(gate.stall_ms, arrivals=belt, deadline_ms=limit_ms, utilisation=busy)
        for limit_ms in (deadline_ms, near_ms)
    )
    longest, longest_near = _longest(late) * belt.cameras, _longest(near) * belt.cameras
    cluster, stall_ms = belt.cameras * _cluster(near), 0
    stretched = ceil(allowed * max(1.0, cluster / allowed_near))
    for frames, limit_ms, too_long in (
        (longest, deadline_ms, _late_too_long(longest // belt.cameras, allowed // belt.cameras, late.size, gate.max)),
        (longest_near, near_ms, _near_too_long(near, allowed_near // belt.cameras)),
    ):
        if too_long:
            seen_ms = stall_ms_for(frames, arrivals=belt, deadline_ms=limit_ms, utilisation=busy)
            stall_ms = max(stall_ms, seen_ms)
    return Spells(
        utilisation=busy,
        allowed_frames=allowed,
        longest_frames=longest,
        near_ms=near_ms,
        allowed_near_frames=allowed_near,
        longest_near_frames=longest_near,
        cluster_frames=cluster,
        stall_ms=stall_ms,
        stall_spell_frames=spell_frames(stall_ms, arrivals=belt, deadline_ms=deadline_ms, utilisation=busy),
        stretched_frames=stretched,
        stretched_stall_ms=stall_ms_for(stretched, arrivals=belt, deadline_ms=deadline_ms, utilisation=busy),
    )


def allowed_spell_frames(measurement: Measurement, *, deadline_ms: float, stall_ms: float) -> int:
    """Count the late frames that one stall explains, at the utilisation measured."""
    return spell_frames(
        stall_ms, arrivals=_belt(measurement), deadline_ms=deadline_ms, utilisation=_utilisation(measurement)
    )


def _belt(measurement: Measurement) -> Arrivals:
    """Give the rule of the schedule; back to back nothing waits, as on a belt that brings a frame now and then."""
    return measurement.arrivals or Arrivals(period_ns=_NEVER_NS)


def _utilisation(measurement: Measurement) -> float:
    work_ns = (measurement.decided_ns - measurement.started_ns)[measurement.warmup :]
    if measurement.arrivals is None or not work_ns.size:
        return 0.0
    return float(np.median(work_ns)) * measurement.arrivals.cameras / measurement.period_ns


def _by_trigger(response_ms: NDArray[np.float64], cameras: int) -> NDArray[np.float64]:
    """Give the slowest response of each trigger's frames, float64 `[triggers]`."""
    if cameras == 1 or not response_ms.size:
        return response_ms
    return np.maximum.reduceat(response_ms, np.arange(0, response_ms.size, cameras))


def _longest(marked: NDArray[np.bool_]) -> int:
    gaps = np.flatnonzero(~np.concatenate([[False], marked, [False]]))
    return int(np.diff(gaps).max(initial=1)) - 1


def _cluster(near: NDArray[np.bool_]) -> float:
    count = int(near.sum())
    if count < _FEWEST_NEAR_MISSES:
        return 1.0
    series = int(near[0]) + int(np.count_nonzero(near[1:] & ~near[:-1]))
    return max(1.0, count / series * (1 - count / near.size))


def _late_too_long(longest: int, allowed: int, triggers: int, max_rate: float) -> bool:
    """Whether spells as long as allowed, at the highest rate allowed, would hardly ever join to such a one."""
    joined = ceil(longest / allowed)
    return longest > allowed and log(triggers / allowed) + joined * log(max_rate) < log(_CHANCE)


def _near_too_long(near: NDArray[np.bool_], allowed: int) -> bool:
    """Whether independent triggers, as often nearly late as those seen, would hardly ever prolong a spell so far."""
    beyond, rate = _longest(near) - allowed, float(near.mean()) if near.size else 0.0
    return beyond > 0 and log(near.size) + beyond * log(rate) < log(_CHANCE)
