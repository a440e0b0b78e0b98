"""Late frames: whether decisions come in time, how surely, and what to do where that is open."""

from __future__ import annotations

from math import ceil
from typing import Any

from ...inspection.line.gates import MissGate
from ...inspection.statistics.bounds import rate_lower, rate_upper
from ..proof.gate import Finding, Gate, Run, percent
from ..proof.interim_looks import frames_to_fit
from ..proof.miss_rate import Proof, events_of, frames_to_fit_as_seen
from ..proof.steadiness import Steadiness

_DRIFT_P_VALUE = 0.01
_PHASES = "The device slows down and speeds up again over many frames, near enough to the deadline to matter"


def in_time(run: Run, gate: MissGate) -> Finding:
    """Judge a row's miss rate.

    What the run shows of its steadiness (a drift, bursts that contradict the stalls allowed for, or slow frames that
    come in bursts the proof cannot bear) makes `fits` `inconclusive`; one slow phase may do so with `misses`.
    """
    proof, sure = run.proof, f"{percent(gate.confidence)} confidence"
    if proof.verdict == "misses":
        return _one_bad_phase(run, gate) or _finding(
            run,
            gate,
            outcome="misses",
            lead="Too slow for this belt",
            proven=f"with {sure} more than the allowed {percent(gate.max)} are late",
            next_step="Take a smaller model, a faster device or a slower belt, or move the ejector further away.",
        )
    if proof.verdict == "inconclusive":
        return _finding(
            run,
            gate,
            outcome="inconclusive",
            lead="Not enough frames to be sure",
            proven=f"late frames could still be {percent(proof.upper)}, allowed are {percent(gate.max)}, "
            f"{_allowing(proof, gate)}",
            next_step=_more_frames(proof, gate, run.frames_per_s),
        )
    return _withdrawn(run, gate) or _finding(
        run,
        gate,
        outcome="fits",
        lead="In time",
        proven=f"with {sure} at most {percent(gate.max)} of all parts get a late answer, {_allowing(proof, gate)}",
    )


def _finding(run: Run, gate: MissGate, *, seen: str = "", **fields: Any) -> Finding:
    proof, per_hour = run.proof, round(3600 * (run.frames_per_s or 0))
    counted = f"{proof.misses:,} of {proof.frames:,} frames were decided later than {run.deadline_ms:.1f} ms"
    detail = (
        f"That is no more than {round(proof.upper * per_hour):,} of {per_hour:,} frames an hour." if per_hour else ""
    )
    share = proof.misses / proof.frames if proof.frames else 0.0
    return Finding(
        title="Decided in time",
        seen=seen or counted,
        detail=detail,
        scale=(share, proof.upper, gate.max),
        **fields,
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


def _one_bad_phase(run: Run, gate: MissGate) -> Finding | None:
    """Withdraw a `misses` that rests on slow phases longer than the bursts allowed for, too few of them to be sure."""
    proof, steady = run.proof, run.steadiness
    if steady is None or proof.backlogged or steady.correlated_frames <= proof.burst_frames:
        return None
    length = steady.correlated_frames
    events, trials = min(int(proof.misses / length), proof.bursts), ceil(proof.frames / length)
    if rate_lower(events, trials, confidence=gate.confidence) > gate.max:
        return None
    return _finding(
        run,
        gate,
        outcome="inconclusive",
        lead=_PHASES,
        proven=f"they count only as {trials:,} independent ones, too few to be sure",
        next_step=_allow_for_more(run, gate, (steady.correlated_stall_ms, ceil(length))),
    )


def _withdrawn(run: Run, gate: MissGate) -> Finding | None:
    """Withdraw a `fits` that the run itself speaks against."""
    steady = run.steadiness
    if steady is None:
        return None
    if steady.drift_p_value < _DRIFT_P_VALUE and not _holds(run.proof, gate, misses=steady.late_after_drift):
        return _finding(
            run,
            gate,
            outcome="inconclusive",
            lead="The device is still changing",
            proven=f"from first to last frame it became {steady.drift_ms:.1f} ms slower, and as much again would make "
            "too many frames miss the deadline",
            next_step="Measure again for much longer, until the device has reached its final temperature (a soak).",
        )
    return _longer_stalls(run, gate, steady) or _in_bursts(run, gate, steady)


def _longer_stalls(run: Run, gate: MissGate, steady: Steadiness) -> Finding | None:
    bursts = steady.bursts
    if not bursts.stall_ms:
        return None
    late = bursts.longest_frames > bursts.allowed_frames
    longest, allowed, what = (
        (bursts.longest_frames, bursts.allowed_frames, "late")
        if late
        else (bursts.longest_near_frames, bursts.allowed_near_frames, f"slower than {bursts.near_ms:.1f} ms")
    )
    return _finding(
        run,
        gate,
        outcome="inconclusive",
        lead="The device stalls for longer than assumed",
        seen=f"{longest:,} frames in a row were {what}",
        proven=f"a stall of {gate.stall_ms:g} ms explains {allowed:,} at most",
        next_step=_allow_for_more(run, gate, (bursts.stall_ms, bursts.stall_burst_frames)),
    )


def _in_bursts(run: Run, gate: MissGate, steady: Steadiness) -> Finding | None:
    """Ask whether the proof would stand if an event were as many frames as this run makes likely."""
    bursts, proof = steady.bursts, run.proof
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
        (steady.correlated_frames, _PHASES, steady.correlated_stall_ms),
        key=lambda each: each[0],
    )
    if length <= proof.burst_frames or _holds(proof, gate, burst_frames=length):
        return None
    return _finding(
        run,
        gate,
        outcome="inconclusive",
        lead=why,
        proven=f"they count only as {int(proof.frames / length):,} independent ones, too few to be sure",
        next_step=_allow_for_more(run, gate, (max(stall_ms, ceil(gate.stall_ms)), ceil(length))),
    )


def _allow_for_more(run: Run, gate: MissGate, allowed: tuple[int, int]) -> str:
    stall_ms, burst_frames = allowed
    events = events_of(run.proof.misses, burst_frames=burst_frames)
    frames = frames_to_fit(gate, events=events, burst_frames=burst_frames)
    return (
        f"Find what else runs on the device, or set gates.deadline_miss.stall_ms to at least {stall_ms:,} and measure "
        f"some {frames:,} frames in one run{_duration(frames, run.frames_per_s)}."
    )


def _holds(proof: Proof, gate: MissGate, *, misses: int = 0, burst_frames: float = 0) -> bool:
    """Ask the plain bound, at the gate's full confidence, whether other counts would still pass."""
    length, late = max(burst_frames, proof.burst_frames), max(proof.misses, misses)
    trials, events = int(proof.frames / length), ceil(late / length)
    return rate_upper(min(events, trials), trials, confidence=gate.confidence) <= gate.max


def _duration(frames: int, frames_per_s: float | None) -> str:
    return f", {frames / frames_per_s / 60:,.1f} minutes at line rate" if frames_per_s else ""


GATE = Gate(
    name="deadline_miss",
    settings_type=MissGate,
    judge=lambda evidence, gate: in_time(evidence.run, gate),
    default=MissGate(),
)
