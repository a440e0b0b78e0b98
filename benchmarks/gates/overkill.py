"""Overkill: good parts rejected."""

from __future__ import annotations

from math import ceil

from ...inspection.line.gates import OverkillGate
from ...inspection.statistics.bounds import frames_needed, rate_upper
from ...inspection.statistics.quality import Rate
from ..proof.gate import FEW, Evidence, Finding, Gate, percent

_MOST_PARTS = 10_000_000


_STRICTER = 0.02


def _judge(evidence: Evidence, gate: OverkillGate) -> Finding:
    guarantee = evidence.guarantee
    if guarantee is not None and evidence.quality.overkill.lower <= gate.max:
        return _of_good_parts(guarantee, evidence.quality.overkill, gate)
    return _of_test(evidence, gate)


def _of_good_parts(guarantee: Rate, tested: Rate, gate: OverkillGate) -> Finding:
    """Judge by the threshold's rank among the good parts that set it: how many there are decides, not their scores.

    What test shows is said beside it; only where it contradicts surely, test decides.
    """
    needed = frames_needed(gate.max, confidence=gate.confidence)
    holds = guarantee.upper <= gate.max
    bound = f"with {percent(gate.confidence)} confidence at most {percent(guarantee.upper)} of good parts are rejected"
    return Finding(
        title="Good parts kept",
        outcome="fits" if holds else "inconclusive",
        lead="Overkill holds" if holds else "Not enough good parts to be sure",
        seen=f"the threshold rejects {guarantee.count:,} of the {guarantee.of:,} good parts that set it, and "
        f"{tested.count:,} of {tested.of:,} good photographs in the test",
        proven=f"{bound} (allowed are {percent(gate.max)}), if parts come as these did",
        next_step="" if holds else _more_to_set_it(needed - guarantee.of, gate),
        detail=_for_less(guarantee.of, gate),
        scale=(guarantee.share, guarantee.upper, gate.max),
    )


def _more_to_set_it(more: int, gate: OverkillGate) -> str:
    return (
        f"Photograph at least {more:,} more good parts for val (some {2 * more:,} in all, if half of them go there): "
        f"then overkill is at most {percent(gate.max)} with {percent(gate.confidence)} confidence."
    )


def _for_less(parts: int, gate: OverkillGate) -> str:
    needed = frames_needed(_STRICTER, confidence=gate.confidence)
    if gate.max <= _STRICTER or parts >= needed:
        return ""
    return f"For at most {percent(_STRICTER)}, val needs {needed - parts:,} more good parts."


def _of_test(evidence: Evidence, gate: OverkillGate) -> Finding:
    rate, sure = evidence.quality.overkill, f"with {percent(gate.confidence)} confidence"
    allowed, step = f"allowed are {percent(gate.max)}", ""
    if rate.upper <= gate.max:
        lead, proven = "Overkill holds", f"{sure} at most {percent(rate.upper)} ({allowed})"
    elif rate.lower > gate.max:
        lead, proven = "Too many good parts are rejected", f"{sure} at least {percent(rate.lower)}, {allowed}"
        step = "Train on more good parts like those rejected, or allow more overkill in line.yaml."
    else:
        lead, proven = "Not enough good parts to be sure", f"it could still be {percent(rate.upper)}, {allowed}"
        step = _more_good_parts(rate, gate)
    return Finding(
        title="Good parts kept",
        outcome=rate.held_against(gate.max),
        lead=lead,
        seen=f"{rate.count:,} of {rate.of:,} good parts are rejected",
        proven=proven,
        next_step=step,
        scale=(rate.share, rate.upper, gate.max),
    )


def _more_good_parts(rate: Rate, gate: OverkillGate) -> str:
    if rate.different < FEW:
        least = frames_needed(gate.max, confidence=gate.confidence)
        return f"Put at least {least:,} different good parts into the test split: fewer cannot prove the limit."
    more = more_parts(rate, gate.max, confidence=gate.confidence)
    if more is None:
        return (
            "Train on more good parts like those rejected: the rate seen is at the limit, and more test parts will not "
            "help."
        )
    return f"Add about {more:,} more good parts to the test split."


def more_parts(rate: Rate, limit: float, *, confidence: float) -> int | None:
    """Count the further parts after which the rate seen would pass, if they come in groups as those seen did.

    Returns:
        None where no number will do.
    """
    parts = rate.of
    alone = rate_upper(rate.count, rate.of, confidence=confidence) - rate.share
    stretch = max(1.0, (rate.upper - rate.share) / alone) if alone else 1.0
    while parts < _MOST_PARTS:
        parts = ceil(parts * 1.05) + 1
        room = rate_upper(round(rate.share * parts), parts, confidence=confidence) - rate.share
        if rate.share + stretch * room <= limit:
            return parts - rate.of
    return None


GATE = Gate(name="overkill", settings_type=OverkillGate, judge=_judge, default=OverkillGate())
