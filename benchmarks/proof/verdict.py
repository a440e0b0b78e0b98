"""The verdict on one model: every gate with its confidence, in sentences that a plant manager can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType

from ...inspection.line.gates import EscapeGate, Gates, OverkillGate
from ...inspection.statistics.bounds import rate_upper
from ...inspection.statistics.quality import Paired, Quality, Rate
from .findings import Finding, percent
from .latency_gate import in_time
from .miss_rate import Outcome, Proof
from .steadiness import Steadiness

_MOST_PARTS = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is said of a row, and why.

    Attributes:
        verdict: `fits` only if every gate holds with its confidence; `misses` if one certainly does not.
        reasons: One sentence per gate, those that decide first.
        next_steps: What to do where it does not fit; empty for `fits`.
        gates: Outcome of each gate by its key in line.yaml, each judged alone.
        gate_next_steps: What to do about each gate that does not hold, by its key.
    """

    verdict: Outcome
    reasons: tuple[str, ...]
    next_steps: tuple[str, ...]
    gates: Mapping[str, Outcome]
    gate_next_steps: Mapping[str, str]


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


def judge(
    proof: Proof,
    quality: Quality,
    gates: Gates,
    *,
    deadline_ms: float,
    steadiness: Steadiness | None = None,
    frames_per_s: float | None = None,
) -> Verdict:
    """Judge a row by all gates.

    Args:
        proof: Of its miss rate.
        quality: On the test split; `paired` is None for the teacher, which is its own reference.
        gates: What must hold.
        deadline_ms: For the sentences.
        steadiness: Of the run; what it shows may make `fits` `inconclusive`, see `in_time`.
        frames_per_s: Of the belt, to say how long a further run takes.

    Returns:
        The verdict; the reasons begin with the worst gate.
    """
    by_gate = {
        "deadline_miss": in_time(
            proof, gates.deadline_miss, deadline_ms=deadline_ms, steadiness=steadiness, frames_per_s=frames_per_s
        ),
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
        gate_next_steps=MappingProxyType({gate: each.next_step for gate, each in by_gate.items() if each.next_step}),
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


def _escape(paired: Paired | None, defects: int, gate: EscapeGate) -> Finding:
    if paired is None:
        return Finding(outcome="fits", reason="It is the reference for escapes itself.")
    seen = (
        f"{paired.new_escapes:,} defects escape that the {paired.against} finds, {paired.recovered:,} are found that "
        f"it misses, among {defects:,} defective parts"
    )
    allowed = f"allowed is a rise of {_points(gate.max_increase)}"
    if paired.increase_upper <= gate.max_increase:
        reason = f"Escapes hold: {seen}; with {percent(gate.confidence)} confidence the escape rate rises by at most "
        return Finding(outcome="fits", reason=f"{reason}{_points(paired.increase_upper)} ({allowed}).")
    if paired.increase_lower > gate.max_increase:
        return Finding(
            outcome="misses",
            reason=f"Too many defects escape: {seen}; the escape rate rises by at least "
            f"{_points(paired.increase_lower)}, {allowed}.",
            next_step="Compress less, distill for longer, or show the student more defects of the kinds that escape.",
        )
    return Finding(
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


def _overkill(quality: Quality, gate: OverkillGate) -> Finding:
    rate = quality.overkill
    seen = f"{rate.count:,} of {rate.of:,} good parts are rejected"
    allowed = f"allowed are {percent(gate.max)}"
    if rate.upper <= gate.max:
        reason = f"Overkill holds: {seen}; with {percent(gate.confidence)} confidence at most {percent(rate.upper)}"
        return Finding(outcome="fits", reason=f"{reason} ({allowed}).")
    if rate.lower > gate.max:
        return Finding(
            outcome="misses",
            reason=f"Too many good parts are rejected: {seen}; with {percent(gate.confidence)} confidence at least "
            f"{percent(rate.lower)}, {allowed}.",
            next_step="Train on more good parts like those rejected, or allow more overkill in line.yaml.",
        )
    return Finding(
        outcome="inconclusive",
        reason=f"Not enough good parts to be sure: {seen}; it could still be {percent(rate.upper)}, {allowed}.",
        next_step=_more_good_parts(rate, gate),
    )


def _more_good_parts(rate: Rate, gate: OverkillGate) -> str:
    """Count the good parts after which the rate seen so far would pass, if they come in groups as those seen did."""
    share, parts = rate.count / rate.of if rate.of else 0.0, rate.of
    alone = rate_upper(rate.count, rate.of, confidence=gate.confidence) - share
    stretch = max(1.0, (rate.upper - share) / alone) if alone else 1.0
    while parts < _MOST_PARTS:
        parts = ceil(parts * 1.05) + 1
        room = rate_upper(round(share * parts), parts, confidence=gate.confidence) - share
        if share + stretch * room <= gate.max:
            return f"Add about {parts - rate.of:,} more good parts to the test split."
    return "Train on more good parts like those rejected: the rate seen is at the limit, more test parts will not help."


def _points(share: float) -> str:
    return f"{100 * share:.3g} percentage points"
