"""Overkill: good parts rejected."""

from __future__ import annotations

from math import ceil

from ...inspection.line.gates import OverkillGate
from ...inspection.statistics.bounds import frames_needed, rate_upper
from ...inspection.statistics.quality import Rate
from ..proof.gate import FEW, Evidence, Finding, Gate, percent

_MOST_PARTS = 10_000_000


def _judge(evidence: Evidence, gate: OverkillGate) -> Finding:
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
