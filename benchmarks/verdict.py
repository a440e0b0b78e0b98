"""The verdict on one model: every gate with its confidence, in sentences that a plant manager can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType

from ..inspection.bounds import frames_needed, rate_lower, rate_upper
from ..inspection.gates import EscapeGate, Gates, MissGate, OverkillGate
from ..inspection.quality import Paired, Quality
from .proof import Outcome, Proof
from .steadiness import Steadiness

_DRIFT_P_VALUE = 0.01
_MOST_PARTS = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is said of a row, and why.

    Attributes:
        verdict: `fits` only if every gate holds with its confidence; `misses` if one certainly does not.
        reasons: One sentence per gate, those that decide first.
        next_steps: What to do where it does not fit; empty for `fits`.
        gates: Outcome of each gate by its key in line.yaml, each judged alone.
    """

    verdict: Outcome
    reasons: tuple[str, ...]
    next_steps: tuple[str, ...]
    gates: Mapping[str, Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the choice among judged rows needs of one.

    Attributes:
        name: Of the row.
        verdict: Its verdict.
        engine_p50_ms: Median time in the engine.
        size_bytes: What a device must store.
    """

    name: str
    verdict: Outcome
    engine_p50_ms: float
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    outcome: Outcome
    reason: str
    next_step: str = ""


def judge(
    proof: Proof, quality: Quality, gates: Gates, *, deadline_ms: float, steadiness: Steadiness | None = None
) -> Verdict:
    """Judge a row by all gates.

    Args:
        proof: Of its miss rate.
        quality: On the test split; `paired` is None for the teacher, which is its own reference.
        gates: What must hold.
        deadline_ms: For the sentences.
        steadiness: Of the run; a drift or spells of late frames that the proof cannot bear make `fits`
            `inconclusive`.

    Returns:
        The verdict; the reasons begin with the worst gate.
    """
    by_gate = {
        "deadline_miss": _latency(proof, gates.deadline_miss, deadline_ms, steadiness),
        "escape": _escape(quality.paired, quality.escape.of, gates.escape),
        "overkill": _overkill(quality, gates.overkill),
    }
    order: tuple[Outcome, ...] = ("misses", "inconclusive", "fits")
    findings = sorted(by_gate.values(), key=lambda each: order.index(each.outcome))
    return Verdict(
        verdict=findings[0].outcome,
        reasons=tuple(each.reason for each in findings),
        next_steps=tuple(each.next_step for each in findings if each.next_step),
        gates=MappingProxyType({gate: each.outcome for gate, each in by_gate.items()}),
    )


def select(rows: Sequence[Standing]) -> str | None:
    """Choose the cheapest row that fits: lowest median engine time, then smallest; None if none fits.

    >>> fast = Standing(name="fast", verdict="misses", engine_p50_ms=1.0, size_bytes=1)
    >>> sound = Standing(name="sound", verdict="fits", engine_p50_ms=2.0, size_bytes=9)
    >>> select([fast, sound])
    'sound'
    """
    fitting = [row for row in rows if row.verdict == "fits"]
    return min(fitting, key=lambda row: (row.engine_p50_ms, row.size_bytes, row.name)).name if fitting else None


def _latency(proof: Proof, gate: MissGate, deadline_ms: float, steady: Steadiness | None) -> _Finding:
    sure = f"{_percent(gate.confidence)} confidence"
    seen = f"{proof.misses:,} of {proof.frames:,} frames were decided later than {deadline_ms:.1f} ms"
    if proof.verdict == "misses":
        return _Finding(
            outcome="misses",
            reason=f"Too slow for this belt: {seen}; with {sure} more than the allowed {_percent(gate.max)} are late.",
            next_step="Take a smaller model, a faster device or a slower belt, or move the ejector further away.",
        )
    if proof.verdict == "inconclusive":
        return _Finding(
            outcome="inconclusive",
            reason=f"Not enough frames to be sure: {seen}; late frames could still be {_percent(proof.upper)}, "
            f"allowed are {_percent(gate.max)}.",
            next_step=f"Measure at least {proof.frames_needed:,} more frames in one run (raise its limits).",
        )
    return _unsteady(proof, gate, deadline_ms, steady) or _Finding(
        outcome="fits",
        reason=f"In time: {seen}; with {sure} at most {_percent(gate.max)} of all parts get a late answer.",
    )


def _unsteady(proof: Proof, gate: MissGate, deadline_ms: float, steady: Steadiness | None) -> _Finding | None:
    """Withdraw a `fits` that rests on a run whose frames drift towards the deadline or are late in spells.

    A drift counts if the slowest frame would be late after as much drift again. Spells shrink the run to its number
    of independent frames (frames x extremal index).
    """
    if steady is None:
        return None
    drifts = steady.drift_p_value < _DRIFT_P_VALUE and steady.drift_ms > 0
    if drifts and steady.slowest_ms + steady.drift_ms > deadline_ms:
        return _Finding(
            outcome="inconclusive",
            reason=f"The device got slower while it was measured (by {steady.drift_ms:.2f} ms); going on like that it "
            f"would miss the deadline of {deadline_ms:.1f} ms.",
            next_step="Measure again for much longer, until the device has reached its final temperature (a soak).",
        )
    frames, misses = int(proof.frames / steady.cluster_frames), ceil(proof.misses / steady.cluster_frames)
    if steady.cluster_frames == 1 or rate_upper(misses, frames, confidence=gate.confidence) <= gate.max:
        return None
    needed = ceil(frames_needed(gate.max, confidence=gate.confidence, misses=misses) * steady.cluster_frames)
    return _Finding(
        outcome="inconclusive",
        reason=f"Slow frames come in spells of {steady.cluster_frames:.1f}, so the {proof.frames:,} frames count only "
        f"as {frames:,} independent ones: too few to be sure.",
        next_step=f"Find what else runs on the device, or measure at least {max(1, needed - proof.frames):,} more "
        f"frames in one run.",
    )


def _escape(paired: Paired | None, defects: int, gate: EscapeGate) -> _Finding:
    if paired is None:
        return _Finding(outcome="fits", reason="It is the reference for escapes itself.")
    seen = (
        f"{paired.new_escapes:,} defects escape that the {paired.against} finds, {paired.recovered:,} are found that "
        f"it misses, among {defects:,} defective parts"
    )
    allowed = f"allowed is a rise of {_points(gate.max_increase)}"
    if paired.increase_upper <= gate.max_increase:
        reason = f"Escapes hold: {seen}; with {_percent(gate.confidence)} confidence the escape rate rises by at most "
        return _Finding(outcome="fits", reason=f"{reason}{_points(paired.increase_upper)} ({allowed}).")
    if paired.increase_lower > gate.max_increase:
        return _Finding(
            outcome="misses",
            reason=f"Too many defects escape: {seen}; the escape rate rises by at least "
            f"{_points(paired.increase_lower)}, {allowed}.",
            next_step="Compress less, distill for longer, or show the student more defects of the kinds that escape.",
        )
    return _Finding(
        outcome="inconclusive",
        reason=f"Not enough defective parts to be sure: {seen}; the escape rate could still rise by "
        f"{_points(paired.increase_upper)}, {allowed}.",
        next_step=_more_defects(paired, defects, gate),
    )


def _more_defects(paired: Paired, defects: int, gate: EscapeGate) -> str:
    """Estimate how many more defects are needed: the bound's distance shrinks with the root of their number."""
    room = gate.max_increase - paired.increase
    if room <= 0:
        return "Compress less: the escapes seen alone exceed the allowed rise, more parts will hardly change that."
    needed = ceil(defects * ((paired.increase_upper - paired.increase) / room) ** 2)
    return f"Add about {max(1, needed - defects):,} more defective parts to the test split, or compress less."


def _overkill(quality: Quality, gate: OverkillGate) -> _Finding:
    rate = quality.overkill
    seen = f"{rate.count:,} of {rate.of:,} good parts are rejected"
    allowed = f"allowed are {_percent(gate.max)}"
    if rate.upper <= gate.max:
        reason = f"Overkill holds: {seen}; with {_percent(gate.confidence)} confidence at most {_percent(rate.upper)}"
        return _Finding(outcome="fits", reason=f"{reason} ({allowed}).")
    lower = rate_lower(rate.count, rate.of, confidence=gate.confidence)
    if lower > gate.max:
        return _Finding(
            outcome="misses",
            reason=f"Too many good parts are rejected: {seen}; with {_percent(gate.confidence)} confidence at least "
            f"{_percent(lower)}, {allowed}.",
            next_step="Train on more good parts like those rejected, or allow more overkill in line.yaml.",
        )
    return _Finding(
        outcome="inconclusive",
        reason=f"Not enough good parts to be sure: {seen}; it could still be {_percent(rate.upper)}, {allowed}.",
        next_step=_more_good_parts(rate.count, rate.of, gate),
    )


def _more_good_parts(count: int, of: int, gate: OverkillGate) -> str:
    """Count the good parts after which the rate seen so far would pass."""
    parts = of
    while parts < _MOST_PARTS:
        parts = ceil(parts * 1.05) + 1
        if rate_upper(round(count / of * parts) if of else 0, parts, confidence=gate.confidence) <= gate.max:
            return f"Add about {parts - of:,} more good parts to the test split."
    return "Train on more good parts like those rejected: the rate seen is at the limit, more test parts will not help."


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _points(share: float) -> str:
    return f"{100 * share:.3g} percentage points"
