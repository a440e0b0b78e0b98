"""What `beltline learn` answers, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ...inspection.statistics.quality import Paired
from .learning import CURRENT, Candidate, Learned

_SHOWN = 8


def learned_text(learned: Learned) -> str:
    """Say what has gone in, how each next version compares, and which one is at work."""
    added = learned.added
    lines = [
        f"added: {added.good} good and {added.defective} defective photographs; {added.there} were kept already",
        *([f"relabelled: {', '.join(added.relabelled[:_SHOWN])}"] if added.relabelled else []),
        *[line for each in learned.candidates for line in _candidate_lines(each, learned.found)],
    ]
    if learned.supervised != "yes":
        lines.append(f"learning from defects: {learned.supervised}")
    if learned.chosen is None:
        lines.append(f"the old version stays: {learned.at_work}")
    else:
        way = f"install it with `beltline install {learned.kept / CURRENT}`"
        lines.append(f"replaced: {learned.kept / CURRENT} now learns {learned.chosen.learns}; {way}")
    return "\n".join([*lines, f"all that is kept: {learned.kept}"])


def learned_facts(learned: Learned) -> dict[str, Any]:
    """Give the same for `--json`."""
    return {
        "added": asdict(learned.added),
        "kept": str(learned.kept),
        "at_work": str(learned.at_work),
        "replaced_by": None if learned.chosen is None else str(learned.kept / CURRENT),
        "candidates": [{**asdict(each), "bundle": str(each.bundle)} for each in learned.candidates],
        "found": learned.found,
        "learning_from_defects": learned.supervised,
        "message": learned_text(learned),
    }


def _candidate_lines(candidate: Candidate, found: int) -> list[str]:
    compared = candidate.compared
    verdict = "worse: " + "; ".join(compared.reasons) if compared.reasons else "not worse than the version at work"
    escapes = _paired_text("escapes", "defective", compared.escapes)
    lines = [
        f"learned {candidate.learns}: {verdict}",
        escapes or "  without a defective part in the test nothing is proven about escapes",
        _paired_text("overkill", "good", compared.overkill),
    ]
    if found:
        lines.append(f"  of {found} defective parts that people found it rejects {found - len(candidate.missed)}")
    return [*lines, *[f"  still passed: {each}" for each in candidate.missed[:_SHOWN]]]


def _paired_text(what: str, kind: str, paired: Paired | None) -> str:
    if paired is None:
        return ""
    return (
        f"  {what} on the test's {kind} parts: {paired.new_escapes} new, {paired.recovered} recovered; with the gate's "
        f"confidence the rate rises by at most {max(0.0, paired.increase_upper):.1%}"
    )
