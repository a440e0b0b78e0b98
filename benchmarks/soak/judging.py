"""The verdict on a soak: on its steady part; and what its beginning, its throttling and its end add to that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...inspection.base.durations import describe_duration
from ...inspection.base.errors import MeasurementError
from ...inspection.line.arrivals import Arrivals
from ...inspection.line.gates import MissGate
from ...inspection.line.stalls import burst_frames
from ..gates.deadline_miss import in_time
from ..proof.gate import Finding, Run
from ..proof.late_bursts import late_bursts_from
from ..proof.miss_rate import Proof, frames_to_fit_as_seen, prove_counts
from ..proof.steadiness import Steadiness, drift_of
from .folder import SoakPlan, SoakSession
from .histogram import above, quantile_ns
from .points import Point, Series, joined
from .steady import SteadyFrames


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a soak is held against.

    Attributes:
        arrivals: When frames were due.
        deadline_ms: Where a frame is late.
        gate: Allowed miss rate and confidence.
        asked_s: How long the belt was to run.
        measured_s: How long it did.
    """

    arrivals: Arrivals
    deadline_ms: float
    gate: MissGate
    asked_s: float
    measured_s: float

    @property
    def complete(self) -> bool:
        """Whether the belt ran as long as asked, up to two triggers."""
        return self.measured_s >= self.asked_s - 2e-9 * self.arrivals.period_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is kept of a soak in memory; its frames stay on disk.

    Attributes:
        plan: What was soaked.
        sessions: Those with frames, oldest first.
        series: Its points.
        places: Session to the place of its first steady point; without those that never became steady.
        question: What it is held against.
    """

    plan: SoakPlan
    sessions: tuple[SoakSession, ...]
    series: Series
    places: dict[int, int]
    question: Question

    @property
    def steady_points(self) -> tuple[Point, ...]:
        """The points that are judged."""
        return tuple(each for each in self.series.points if self.is_steady(each))

    @property
    def points_before(self) -> tuple[Point, ...]:
        """The points that are not."""
        return tuple(each for each in self.series.points if not self.is_steady(each))

    def is_steady(self, point: Point) -> bool:
        """Say whether a point belongs to the steady part."""
        return point.session in self.places and point.place >= self.places[point.session]


_FEWEST_POINTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What came of a soak.

    Attributes:
        finding: The verdict with its reason and next step.
        proof: Of the steady part's miss rate; None without one.
        steadiness: Of the steady part, likewise.
    """

    finding: Finding
    proof: Proof | None = None
    steadiness: Steadiness | None = None


def judge_steady(points: Sequence[Point], frames: SteadyFrames, *, near_ms: float, question: Question) -> Judgement:
    """Judge the steady part of a soak.

    Args:
        points: Those of the steady part, at least one.
        frames: What the steady frames say.
        near_ms: Above which their responses are nearly late.
        question: What they are held against.
    """
    steady, arrivals, gate = joined(points), question.arrivals, question.gate
    if steady is None:
        msg = "a verdict on the steady part wants at least 1 point, got 0; ask whether there is a steady part first"
        raise MeasurementError(msg)
    busy = quantile_ns(frames.work, 0.5) / arrivals.period_ns
    length = burst_frames(gate.stall_ms, arrivals=arrivals, deadline_ms=question.deadline_ms, utilisation=busy)
    proof = prove_counts(
        frames=steady.frames, misses=steady.misses, bursts=steady.bursts, gate=gate, burst_frames=length
    )
    medians_ms = np.array([quantile_ns(each.response, 0.5) / 1e6 for each in points])
    p_value, drift_ms = drift_of(medians_ms)
    limits_ms = (question.deadline_ms, near_ms)
    bursts = late_bursts_from(
        frames.late, frames.near, arrivals=arrivals, utilisation=busy, limits_ms=limits_ms, gate=gate
    )
    steadiness = Steadiness(
        autocorrelation=frames.autocorrelation,
        drift_p_value=p_value,
        drift_ms=drift_ms,
        late_after_drift=above(steady.response, round((question.deadline_ms - max(0.0, drift_ms)) * 1e6)),
        slowest_ms=steady.response.largest_ns / 1e6,
        cluster_frames=bursts.cluster_frames,
        bursts=bursts,
    )
    run = Run(proof=proof, deadline_ms=question.deadline_ms, steadiness=steadiness, frames_per_s=arrivals.frames_per_s)
    finding = in_time(run, gate)
    if proof.verdict == "inconclusive":
        finding = replace(finding, next_step=_soak_longer(proof, question))
    return Judgement(finding=_unless_stopped(finding, question), proof=proof, steadiness=steadiness)


def never_steady(series: Series, question: Question) -> Finding:
    """Say why nothing can be judged, and what to do; a device that cannot keep up is found out all the same."""
    whole = joined(series.points)
    if whole is not None:
        proof = prove_counts(frames=whole.frames, misses=whole.misses, bursts=whole.bursts, gate=question.gate)
        if proof.verdict == "misses":
            return in_time(Run(proof=proof, deadline_ms=question.deadline_ms), question.gate)
    needed_s = _FEWEST_POINTS * series.point_ns / 1e9
    longest = max(Counter(each.session for each in series.points).values(), default=0)
    if longest < _FEWEST_POINTS:
        return Finding(
            outcome="inconclusive",
            lead="Too short to show a steady state",
            seen=f"it takes {needed_s:,.0f} s without interruption at least",
            next_step="Soak for 30 minutes or longer: a device without a fan warms up slowly.",
        )
    return Finding(
        outcome="inconclusive",
        lead="Never steady",
        seen=f"the response times still changed in the second half of {describe_duration(question.measured_s)}",
        next_step=f"Soak for {describe_duration(2 * question.measured_s)} at least, and look for what else runs there.",
    )


def remarks(soak: Evidence, judgement: Judgement) -> list[str]:
    """Say what the verdict leaves out: the beginning of the soak and its misses, and how it compares with the rest."""
    steady, before = joined(soak.steady_points), joined(soak.points_before)
    if steady is None:
        return []
    found = [_minute_against_steady(soak.series.first_minute, steady)]
    if before is not None:
        found.append(_before_steady(before, steady, judgement, soak.question.gate))
    return found


def _minute_against_steady(minute: Point | None, steady: Point) -> str:
    if minute is None:
        return ""
    early, later = (
        " / ".join(f"{quantile_ns(each.response, share) / 1e6:.2f}" for share in (0.5, 0.99))
        for each in (minute, steady)
    )
    change = quantile_ns(steady.response, 0.5) / quantile_ns(minute.response, 0.5) - 1
    return f"First minute against steady state: p50 / p99 {early} ms against {later} ms (p50 {100 * change:+.0f} %)."


def _before_steady(before: Point, steady: Point, judgement: Judgement, gate: MissGate) -> str:
    seen = f"Before the steady state {before.misses:,} of {before.frames:,} frames were late; they are not judged"
    if judgement.finding.outcome != "fits" or not before.misses or judgement.proof is None:
        return f"{seen}."
    whole = prove_counts(
        frames=before.frames + steady.frames,
        misses=before.misses + steady.misses,
        bursts=before.bursts + steady.bursts,
        gate=gate,
        burst_frames=judgement.proof.burst_frames,
    )
    if whole.verdict == "fits":
        return f"{seen}, and with them the gate would hold too."
    return f"{seen}, but they alone break the gate: let the device work for as long before the belt starts."


def _unless_stopped(finding: Finding, question: Question) -> Finding:
    """Withdraw a `fits` that was stopped early: the length must be fixed beforehand, not chosen by what was seen."""
    if question.complete or finding.outcome != "fits":
        return finding
    asked, so_far = describe_duration(question.asked_s), describe_duration(question.measured_s)
    return replace(
        finding,
        outcome="inconclusive",
        lead=f"Stopped after {so_far} of {asked}. So far: {finding.lead}",
        next_step="Start the same soak again: it goes on from here.",
    )


def _soak_longer(proof: Proof, question: Question) -> str:
    """Say how long a soak must be; what delays frames comes first where they go on being late as often as so far."""
    seconds = question.measured_s + proof.frames_needed / question.arrivals.frames_per_s
    step = f"Soak for {describe_duration(seconds)} at least, if no further frame is late."
    hopeless = proof.events and frames_to_fit_as_seen(question.gate, proof) is None
    return f"Find what delays the late frames; at this rate no time will do. {step}" if hopeless else step
