"""Escapes: defects passed, bounded whatever the teacher does, and their rise over the teacher's on the same parts."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from ...inspection.line.gates import EscapeGate
from ...inspection.statistics.bounds import frames_needed
from ...inspection.statistics.paired import parts_needed
from ...inspection.statistics.quality import Paired, Portion, Rate
from ..proof.gate import FEW, WORST_FIRST, Evidence, Finding, Gate, percent
from ..proof.miss_rate import Outcome
from .overkill import more_parts

_MOST_CALLED_CAUGHT = 0.1
"""Whoever allows more escapes than this may do so; nobody is told then that defects are caught."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One of the gate's two limits.

    Attributes:
        outcome: Of this limit alone.
        proven: What is proven of it, as a clause.
        next_step: What to do where it does not hold; empty where it does, or where more parts are enough.
        more: Further defective parts that would prove it, as far as that can be said; 0: none.
    """

    outcome: Outcome
    proven: str
    next_step: str = ""
    more: int = 0


_LEADS: dict[Outcome, str] = {
    "fits": "Escapes hold",
    "misses": "Too many defects escape",
    "inconclusive": "Not enough defective parts to be sure",
}


def _judge(evidence: Evidence, gate: EscapeGate) -> Finding:
    rate, paired = evidence.quality.escape, evidence.quality.paired
    if not rate.of:
        return _without_defects(gate)
    parts = [_of_all(rate, gate), *([] if paired is None else [_over_the_teacher(paired, rate, gate)])]
    rises_part = parts[-1]
    parts += [_of_kind(each, gate) for each in evidence.quality.gated_kinds]
    outcome = min((part.outcome for part in parts), key=WORST_FIRST.index)
    deciding = [part for part in parts if part.outcome == outcome]
    few = outcome == "inconclusive" and rate.different < FEW
    seen = f"{rate.count:,} of {rate.of:,} defects escape"
    if paired is not None:
        seen += (
            f", {paired.new_escapes:,} that the {paired.against} finds; {paired.recovered:,} are found that it misses"
        )
    rises = paired is not None and len(deciding) == 1 and deciding[0] is rises_part
    return Finding(
        title="Defects caught" if gate.max <= _MOST_CALLED_CAUGHT else f"At most {percent(gate.max)} escape",
        outcome=outcome,
        lead=_LEADS[outcome],
        seen=seen,
        proven=f"with {percent(gate.confidence)} confidence {' and '.join(part.proven for part in deciding)}",
        next_step=_least(gate, paired) if few else _next_step(deciding),
        scale=_rise_scale(paired, gate) if rises and paired else (rate.share, rate.upper, gate.max),
    )


def _without_defects(gate: EscapeGate) -> Finding:
    needed = frames_needed(gate.max, confidence=gate.confidence)
    return Finding(
        title="Defects caught",
        outcome="inconclusive",
        lead="Without a defect nothing proves that defects are caught",
        seen="the test has no defective part",
        proven="any share of them may escape",
        next_step=f"Collect defective parts for the test: {needed:,} different ones, all rejected, prove that at most "
        f"{percent(gate.max)} escape.",
    )


def _of_all(rate: Rate, gate: EscapeGate) -> _Part:
    outcome, allowed = rate.held_against(gate.max), f"(allowed are {percent(gate.max)})"
    if outcome == "fits":
        return _Part(outcome=outcome, proven=f"at most {percent(rate.upper)} of all defects escape {allowed}")
    if outcome == "misses":
        return _Part(
            outcome=outcome,
            proven=f"at least {percent(rate.lower)} of all defects escape {allowed}",
            next_step="Train a better teacher first, on more defects of the kinds that escape: see its own escapes.",
        )
    more = more_parts(rate, gate.max, confidence=gate.confidence)
    proven = f"up to {percent(rate.upper)} of all defects may escape {allowed}"
    if more is not None:
        return _Part(outcome=outcome, proven=proven, more=more)
    step = "Train on more defects of the kinds that escape: as many as were seen to escape are at the limit already."
    return _Part(outcome=outcome, proven=proven, next_step=step)


def _of_kind(portion: Portion, gate: EscapeGate) -> _Part:
    kind, rate, most = portion.name, portion.rate, gate.kinds[portion.name].max
    outcome, allowed = rate.held_against(most), f"(allowed are {percent(most)})"
    if outcome == "fits":
        return _Part(outcome=outcome, proven=f"of {kind} at most {percent(rate.upper)} {allowed}")
    if outcome == "misses":
        step = f"Train a better teacher first, on more defects of the kind {kind}."
        return _Part(outcome=outcome, proven=f"of {kind} at least {percent(rate.lower)} {allowed}", next_step=step)
    least = frames_needed(most, confidence=gate.kind_confidence)
    step = f"Put at least {least:,} different parts with {kind} into the test split: {rate.different:,} are there."
    if rate.different >= least:
        step = f"Train on more defects of the kind {kind}, or put more of them into the test split."
    return _Part(outcome=outcome, proven=f"of {kind} up to {percent(rate.upper)} {allowed}", next_step=step)


def _over_the_teacher(paired: Paired, rate: Rate, gate: EscapeGate) -> _Part:
    allowed = f"(allowed is a rise of {_points(gate.max_increase)})"
    if paired.increase_upper <= gate.max_increase:
        rise = f"the escape rate rises by at most {_points(paired.increase_upper)}"
        return _Part(outcome="fits", proven=f"{rise} {allowed}")
    if paired.increase_lower > gate.max_increase:
        return _Part(
            outcome="misses",
            proven=f"the escape rate rises by at least {_points(paired.increase_lower)} {allowed}",
            next_step="Compress less, distill for longer, or show the student more defects of the kinds that escape.",
        )
    proven = f"the escape rate may rise by up to {_points(paired.increase_upper)} {allowed}"
    room = gate.max_increase - paired.increase
    if room <= 0:
        step = "Compress less: the escapes seen alone exceed the allowed rise, more parts will hardly change that."
        return _Part(outcome="inconclusive", proven=proven, next_step=step)
    # the bound's distance from what was seen shrinks with the root of the number of parts
    needed = ceil(rate.of * ((paired.increase_upper - paired.increase) / room) ** 2)
    return _Part(outcome="inconclusive", proven=proven, more=max(1, needed - rate.of))


def _next_step(deciding: list[_Part]) -> str:
    steps = [part.next_step for part in deciding if part.next_step]
    if not steps and (more := max(part.more for part in deciding)):
        return f"Add about {more:,} more defective parts to the test split, or compress less."
    return " ".join(steps)


def _least(gate: EscapeGate, paired: Paired | None) -> str:
    """Say what is sure at any small number: the fewest defective parts that could prove the limits."""
    least = frames_needed(gate.max, confidence=gate.confidence)
    if paired is not None:
        least = max(least, parts_needed(gate.max_increase, confidence=gate.confidence))
    return (
        f"Put at least {least:,} different defective parts into the test split: fewer cannot prove the limits, "
        "however good the model is."
    )


def _rise_scale(paired: Paired, gate: EscapeGate) -> tuple[float, float, float]:
    return paired.increase, paired.increase_upper, gate.max_increase


def _points(share: float) -> str:
    return f"{100 * share:.3g} percentage points"


GATE = Gate(name="escape", settings_type=EscapeGate, judge=_judge, default=EscapeGate())
