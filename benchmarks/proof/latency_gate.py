"""The latency gate in words: whether decisions come in time, how surely, and what to do where that is open."""

from __future__ import annotations

from math import ceil

from ...inspection.line.gates import MissGate
from ...inspection.statistics.bounds import rate_lower, rate_upper
from .findings import Finding, percent
from .interim_looks import frames_to_fit
from .miss_rate import Proof, events_of, frames_to_fit_as_seen
from .steadiness import Steadiness

_DRIFT_P_VALUE = 0.01
_PHASES = "the device slows down and speeds up again over many frames, near enough to the deadline to matter"


def in_time(
    proof: Proof,
    gate: MissGate,
    *,
    deadline_ms: float,
    steadiness: Steadiness | None = None,
    frames_per_s: float | None = None,
) -> Finding:
    """Judge a row's miss rate.

    Args:
        proof: Of the miss rate.
        gate: What must hold.
        deadline_ms: For the sentences.
        steadiness: Of the run. A drift, bursts that contradict the stalls allowed for, or slow frames that come in
            bursts the proof cannot bear make `fits` `inconclusive`; one slow phase may do so with `misses`.
        frames_per_s: Of the belt, to say how long a run takes; None: only frames are named.
    """
    seen = f"{proof.misses:,} of {proof.frames:,} frames were decided later than {deadline_ms:.1f} ms"
    sure = f"{percent(gate.confidence)} confidence"
    if proof.verdict == "misses":
        return _one_bad_phase(proof, gate, steadiness, frames_per_s) or Finding(
            outcome="misses",
            reason=f"Too slow for this belt: {seen}; with {sure} more than the allowed {percent(gate.max)} are late.",
            next_step="Take a smaller model, a faster device or a slower belt, or move the ejector further away.",
        )
    if proof.verdict == "inconclusive":
        return Finding(
            outcome="inconclusive",
            reason=f"Not enough frames to be sure: {seen}; late frames could still be {percent(proof.upper)}, "
            f"allowed are {percent(gate.max)}, {_allowing(proof, gate)}.",
            next_step=_more_frames(proof, gate, frames_per_s),
        )
    return _withdrawn(proof, gate, deadline_ms, steadiness, frames_per_s) or Finding(
        outcome="fits",
        reason=f"In time: {seen}; with {sure} at most {percent(gate.max)} of all parts get a late answer, "
        f"{_allowing(proof, gate)}.",
    )


def _allowing(proof: Proof, gate: MissGate) -> str:
    allowing = f"allowing for stalls of the device up to {gate.stall_ms:g} ms"
    if proof.burst_frames == 1:
        return allowing
    return (
        f"{allowing} (one makes up to {proof.burst_frames:,} frames late, so the {proof.frames:,} count as "
        f"{proof.effective_frames:,})"
    )


def _more_frames(proof: Proof, gate: MissGate, frames_per_s: float | None) -> str:
    total = proof.frames + proof.frames_needed
    step = (
        f"Measure at least {proof.frames_needed:,} more frames in one run, {total:,} in all"
        f"{_duration(total, frames_per_s)} (raise measure.minutes or measure.frames)"
    )
    if proof.events == 0:
        return f"{step}."
    expected = frames_to_fit_as_seen(gate, proof)
    if expected is None:
        return (
            "Find what delays the late frames: if they go on coming as often as in this run, no number of frames "
            f"will prove the limit. {step} if no further one is late."
        )
    return f"{step} if no further one is late; some {expected:,} if they go on coming as in this run."


def _one_bad_phase(
    proof: Proof, gate: MissGate, steady: Steadiness | None, frames_per_s: float | None
) -> Finding | None:
    """Withdraw a `misses` that rests on slow phases longer than the bursts allowed for, too few of them to be sure."""
    if steady is None or proof.backlogged or steady.correlated_frames <= proof.burst_frames:
        return None
    length = steady.correlated_frames
    events, trials = min(int(proof.misses / length), proof.bursts), ceil(proof.frames / length)
    if rate_lower(events, trials, confidence=gate.confidence) > gate.max:
        return None
    return Finding(
        outcome="inconclusive",
        reason=f"{proof.misses:,} of {proof.frames:,} frames were late, but {_PHASES}, so they count only as "
        f"{trials:,} independent ones: too few to be sure.",
        next_step=_allow_for_more(proof, gate, (steady.correlated_stall_ms, ceil(length)), frames_per_s),
    )


def _withdrawn(
    proof: Proof, gate: MissGate, deadline_ms: float, steady: Steadiness | None, frames_per_s: float | None
) -> Finding | None:
    """Withdraw a `fits` that the run itself speaks against."""
    if steady is None:
        return None
    if steady.drift_p_value < _DRIFT_P_VALUE and not _holds(proof, gate, misses=steady.late_after_drift):
        return Finding(
            outcome="inconclusive",
            reason=f"The device is still changing: from first to last frame it became {steady.drift_ms:.1f} ms slower, "
            f"and as much again would make too many frames miss the deadline of {deadline_ms:.1f} ms.",
            next_step="Measure again for much longer, until the device has reached its final temperature (a soak).",
        )
    return _longer_stalls(proof, gate, steady, frames_per_s) or _in_bursts(proof, gate, steady, frames_per_s)


def _longer_stalls(proof: Proof, gate: MissGate, steady: Steadiness, frames_per_s: float | None) -> Finding | None:
    bursts = steady.bursts
    if not bursts.stall_ms:
        return None
    late = bursts.longest_frames > bursts.allowed_frames
    longest, allowed, what = (
        (bursts.longest_frames, bursts.allowed_frames, "late")
        if late
        else (bursts.longest_near_frames, bursts.allowed_near_frames, f"slower than {bursts.near_ms:.1f} ms")
    )
    return Finding(
        outcome="inconclusive",
        reason=f"The device stalls for longer than assumed: {longest:,} frames in a row were {what}, a stall of "
        f"{gate.stall_ms:g} ms explains {allowed:,} at most.",
        next_step=_allow_for_more(proof, gate, (bursts.stall_ms, bursts.stall_burst_frames), frames_per_s),
    )


def _in_bursts(proof: Proof, gate: MissGate, steady: Steadiness, frames_per_s: float | None) -> Finding | None:
    """Ask whether the proof would stand if an event were as many frames as this run makes likely."""
    bursts = steady.bursts
    length, why, stall_ms = max(
        (
            bursts.allowed_frames,
            f"The device was busy for {percent(bursts.utilisation)} of the time, more than planned for",
            ceil(gate.stall_ms * bursts.allowed_frames / proof.burst_frames),
        ),
        (
            bursts.stretched_frames,
            f"Slow frames come in bursts of {steady.cluster_frames:.1f}",
            bursts.stretched_stall_ms,
        ),
        (
            steady.correlated_frames,
            _PHASES.capitalize(),
            steady.correlated_stall_ms,
        ),
        key=lambda each: each[0],
    )
    if length <= proof.burst_frames or _holds(proof, gate, burst_frames=length):
        return None
    return Finding(
        outcome="inconclusive",
        reason=f"{why}, so the {proof.frames:,} frames count only as {int(proof.frames / length):,} independent ones: "
        f"too few to be sure.",
        next_step=_allow_for_more(proof, gate, (max(stall_ms, ceil(gate.stall_ms)), ceil(length)), frames_per_s),
    )


def _allow_for_more(proof: Proof, gate: MissGate, allowed: tuple[int, int], frames_per_s: float | None) -> str:
    stall_ms, burst_frames = allowed
    events = events_of(proof.misses, burst_frames=burst_frames)
    frames = frames_to_fit(gate, events=events, burst_frames=burst_frames)
    return (
        f"Find what else runs on the device, or set gates.deadline_miss.stall_ms to at least {stall_ms:,} and measure "
        f"some {frames:,} frames in one run{_duration(frames, frames_per_s)}."
    )


def _holds(proof: Proof, gate: MissGate, *, misses: int = 0, burst_frames: float = 0) -> bool:
    """Ask the plain bound, at the gate's full confidence, whether other counts would still pass."""
    length, late = max(burst_frames, proof.burst_frames), max(proof.misses, misses)
    trials, events = int(proof.frames / length), ceil(late / length)
    return rate_upper(min(events, trials), trials, confidence=gate.confidence) <= gate.max


def _duration(frames: int, frames_per_s: float | None) -> str:
    return f", {frames / frames_per_s / 60:,.1f} minutes at line rate" if frames_per_s else ""
