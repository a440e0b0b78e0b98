"""How fast may the belt run? A measured run's frames, replayed as if the belt were faster or slower.

A faster belt brings frames closer together and leaves less time for each: the part is sooner at the ejector, and what
the fixed times take does not shrink. Parts that lie off their places or touch do so by the same distance.

This is a prediction and decides no verdict: it assumes that a frame keeps the device busy for as long at any pace. On
real processors that errs to both sides (caches stay warm at a high pace, but the heat rises), so whoever means to
change the speed measures at the new one.

There are two answers. *As seen*: the share of late frames stays within the gate. *Proven*: its upper bound does, by the
same test as in a measurement. On a faster belt one stall makes more frames late, so the same run proves less there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...inspection.base.errors import MeasurementError
from ...inspection.line.arrivals import Arrivals, due_ns
from ...inspection.line.gates import MissGate
from ...inspection.line.line import LineBudget
from ...inspection.line.stalls import burst_frames
from ...inspection.statistics.quantile import quantile
from ..proof.interim_looks import end_look, frames_to_fit
from ..proof.miss_rate import Proof, prove
from ..timing.measurement import Measurement
from .backlog import Replay, Times, busy_ns, replay

LimitedBy = Literal["deadline", "throughput", "arrivals", "slow_frames"]
"""What ends the rise of the speed: slow frames are late even if none waits; work takes longer than the period; parts
come unevenly; or frames wait behind slow ones."""

_CLOSE_ENOUGH = 1.0005
_SLOWEST, _FASTEST = 1e-4, 1e4
_BLOCKS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A measured run and the line that its frames are replayed on.

    Attributes:
        busy: How long each frame keeps the device busy, ns, int64 `[frames]`.
        due: When frames are due at today's speed, ns, int64 `[frames]`.
        budget: The line today.
        gate: Allowed miss rate and confidence.
        buffer: Frames that may wait, the next is lost; None: as many as come.
    """

    busy: Times
    due: Times
    budget: LineBudget
    gate: MissGate
    buffer: int | None = None

    @property
    def interval_ns(self) -> float:
        """Mean time from one frame to the next at today's speed."""
        return 1e9 / self.budget.arrivals.frames_per_s

    @property
    def total_ms(self) -> float:
        """From trigger to ejector at today's speed."""
        return self.budget.deadline_ms + self.budget.fixed_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The line at one speed, as predicted.

    Attributes:
        factor: Speed, in today's speeds.
        period_ms: From one trigger to the next, mean.
        deadline_ms: From trigger to decision; not above 0 where the fixed times leave nothing.
        utilisation: Share of the time in which the device is busy; at 1 and above the backlog grows without end.
        frames: Frames replayed.
        misses: Late ones among them, lost ones included.
        miss_upper: Upper bound of their share at the gate's confidence.
        lost: Frames that found the buffer full.
        p50_ms: Median response time; None if that frame was lost.
        p99_ms: 99th percentile, likewise.
        slowest_ms: Slowest response of a frame that was not lost.
        backlog_frames: Most frames that waited at once.
        backlog_ms: Longest that a frame waited for its turn.
        seems_to_hold: The share of late frames is within the gate, and the device keeps up.
        holds: The upper bound of that share is, too.
        frames_to_prove: So long a run at this speed would prove it with no more stalls than were seen; None where it
            does not seem to hold.
    """

    factor: float
    period_ms: float
    deadline_ms: float
    utilisation: float
    frames: int
    misses: int
    miss_upper: float
    lost: int
    p50_ms: float | None
    p99_ms: float | None
    slowest_ms: float
    backlog_frames: int
    backlog_ms: float
    seems_to_hold: bool
    holds: bool
    frames_to_prove: int | None


def case_of(
    measurement: Measurement,
    budget: LineBudget,
    gate: MissGate,
    *,
    cameras: int | None = None,
    buffer: int | None = None,
) -> Case:
    """Prepare a measured run for replaying.

    Args:
        measurement: In any mode; its judged frames are taken.
        budget: The line today.
        gate: What must hold.
        cameras: So many share the device instead, triggered together; None: as the line says.
        buffer: Frames that may wait; None: as many as come.

    Raises:
        MeasurementError: No judged frames, or a negative buffer.
    """
    busy = busy_ns(measurement)
    if not busy.size:
        msg = "the trace holds no judged frame; measure with `beltline bench`"
        raise MeasurementError(msg)
    arrivals = replace(budget.arrivals, cameras=cameras or budget.arrivals.cameras)
    due = due_ns(arrivals, start=0, frames=busy.size)
    return Case(busy=busy, due=due, budget=replace(budget, arrivals=arrivals), gate=gate, buffer=buffer)


def at_speed(case: Case, factor: float) -> Pace:
    """Predict the line at a multiple of today's speed, > 0."""
    found, keeps_up = _replayed(case, factor), _keeps_up(case, factor)
    late = found.late(deadline_ns=_deadline_ns(case, factor))
    proof = _proof(case, factor, late)
    seems = keeps_up and _within(case, late)
    return Pace(
        factor=factor,
        period_ms=case.budget.period_ms / factor,
        deadline_ms=_deadline_ms(case, factor),
        utilisation=float(case.busy.mean()) * factor / case.interval_ns,
        frames=late.size,
        misses=proof.misses,
        miss_upper=proof.upper,
        lost=found.lost,
        p50_ms=_quantile(found, 0.5),
        p99_ms=_quantile(found, 0.99),
        slowest_ms=float(np.sort(found.response_ns)[late.size - found.lost - 1]) / 1e6,
        backlog_frames=found.longest_frames,
        backlog_ms=found.longest_ns / 1e6,
        seems_to_hold=seems,
        holds=keeps_up and proof.verdict == "fits",
        frames_to_prove=frames_to_fit(case.gate, events=proof.events, burst_frames=proof.burst_frames)
        if seems
        else None,
    )


def highest_speed(case: Case, *, proven: bool) -> Pace | None:
    """Find the highest speed at which the gate still holds, to 0.1 %, rounded down.

    More and more frames are late as the speed rises (Lindley's queue is monotone in the gaps, and the deadline falls),
    so halving the interval finds it.

    Args:
        case: What is replayed.
        proven: By the upper bound, else as seen.

    Returns:
        The line at that speed; None if there is none: the run is too short to prove any, or the buffer is too small for
        frames that come together.
    """
    factor = _highest_factor(case, proven=proven)
    return at_speed(case, math.floor(factor * 1000) / 1000 or factor) if factor else None


def limited_by(case: Case) -> LimitedBy | None:
    """Name what ends the rise of the speed as seen, by undoing one thing after the other just above the highest."""
    above = _highest_factor(case, proven=False) * _CLOSE_ENOUGH**2
    if not above:
        return None
    if not _within(case, case.busy > _deadline_ns(case, above)):
        return "deadline"
    if not _keeps_up(case, above):
        return "throughput"
    even = due_ns(Arrivals(period_ns=max(1, round(case.interval_ns))), start=0, frames=case.busy.size)
    return "arrivals" if _holds(replace(case, due=even), above, proven=False) else "slow_frames"


def _replayed(case: Case, factor: float) -> Replay:
    return replay(np.rint(case.due / factor).astype(np.int64), case.busy, buffer=case.buffer)


def _deadline_ms(case: Case, factor: float) -> float:
    return case.total_ms / factor - case.budget.fixed_ms


def _deadline_ns(case: Case, factor: float) -> int:
    """Round as `prove_measurement` does; nothing is in time where the fixed times leave nothing."""
    deadline_ms = _deadline_ms(case, factor)
    return round(deadline_ms * 1e6) if deadline_ms > 0 else -1


def _within(case: Case, late: NDArray[np.bool_]) -> bool:
    return bool(late.mean() <= case.gate.max)


def _proof(case: Case, factor: float, late: NDArray[np.bool_]) -> Proof:
    """Judge the late frames, as many of them being one event as a stall makes late at this speed.

    On the belt at `factor`, a stall of S does what one of S * factor does today, the deadline stretched alike. What the
    device catches up with each trigger follows from its typical work, as in `bursts`.
    """
    deadline_ms, arrivals, burst = _deadline_ms(case, factor), case.budget.arrivals, case.budget.arrivals.cameras
    if deadline_ms > 0:
        burst = burst_frames(
            case.gate.stall_ms * factor,
            arrivals=arrivals,
            deadline_ms=deadline_ms * factor,
            utilisation=float(np.median(case.busy)) * factor / case.interval_ns,
        )
    looks = end_look(case.gate, frames=late.size, burst_frames=burst)
    return prove(late, gate=case.gate, looks=looks, cameras=arrivals.cameras)


def _holds(case: Case, factor: float, *, proven: bool) -> bool:
    if not _keeps_up(case, factor):
        return False
    late = _replayed(case, factor).late(deadline_ns=_deadline_ns(case, factor))
    return _proof(case, factor, late).verdict == "fits" if proven else _within(case, late)


def _highest_factor(case: Case, *, proven: bool) -> float:
    """Give the highest factor that holds, 0 if none does."""
    holds, fails = _SLOWEST, _FASTEST
    if case.budget.fixed_ms:
        fails = min(fails, case.total_ms / case.budget.fixed_ms)
    if not _holds(case, holds, proven=proven):
        return 0.0
    while fails / holds > _CLOSE_ENOUGH:
        middle = math.sqrt(fails * holds)
        holds, fails = (middle, fails) if _holds(case, middle, proven=proven) else (holds, middle)
    return holds


def mean_work_ns(case: Case) -> float:
    """Give an upper bound of the mean work on a frame; a short run may end before a backlog shows.

    The mean is bounded by batch means, which bear correlated frames (A. M. Law, Simulation Modeling and Analysis,
    2015, section 9.5.3).
    """
    from scipy.stats import t

    means = np.array([block.mean() for block in np.array_split(case.busy, min(_BLOCKS, case.busy.size))])
    spread = float(means.std(ddof=1) / math.sqrt(means.size)) if means.size > 1 else 0.0
    sure = float(t.ppf(case.gate.confidence, max(1, means.size - 1))) * spread
    return float(case.busy.mean()) + sure


def _keeps_up(case: Case, factor: float) -> bool:
    """Whether the mean work is surely below the mean interval."""
    return mean_work_ns(case) < case.interval_ns / factor


def _quantile(found: Replay, share: float) -> float | None:
    """Give a quantile of the responses in ms; None where it falls on a frame that was lost."""
    ordered_ms = np.sort(found.response_ns) / 1e6
    ordered_ms[ordered_ms.size - found.lost :] = np.inf
    value = quantile(ordered_ms, share)
    return value if math.isfinite(value) else None
