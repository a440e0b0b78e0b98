"""What a verdict can prove with the photographs that are there, before anything is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...inspection.data.dataset import SPLITS, Dataset, Sample
from ...inspection.line.gates import Gates
from ...inspection.statistics.bounds import clustered_upper, frames_needed
from ...inspection.statistics.judging import by_part
from ...inspection.statistics.paired import increase_upper, parts_needed

_MOST_COUNTED = 1_000


def provable(dataset: Dataset, gates: Gates, *, whole_parts: bool) -> dict[str, Any]:
    """Work out the best that the test split can prove of each quality gate, with the bounds that the verdict takes.

    Args:
        dataset: The photographs.
        gates: What must hold.
        whole_parts: Whether a part is decided as a whole (`data.decide: any`), and counted once.

    Returns:
        JSON-able: `name`, `images` and `groups` by split, `kinds` (test images by kind of defect), and `gates`: of
        `escape`, `increase` and `overkill` each the `images` and `parts` of the test split that it is judged on, `max`
        and `confidence` of the gate, `upper` (the bound if nothing goes wrong), `allowed` (images that may go wrong, in
        different parts; None: the gate cannot be met) and `needed` (fewest parts that can meet it).
    """
    test = dataset.of("test")
    if whole_parts:
        test = by_part(np.zeros(len(test)), test)[1]
    good, bad = ([each for each in test if each.defective == defective] for defective in (False, True))
    escape, overkill = gates.escape, gates.overkill
    return {
        "name": dataset.name,
        "images": {split: len(dataset.of(split)) for split in SPLITS},
        "groups": {split: len({each.group for each in dataset.of(split)}) for split in SPLITS},
        "kinds": dict(sorted(Counter(each.label for each in bad).items())),
        "gates": {
            "escape": {
                **_gate(bad, escape.max, escape.confidence, _share),
                "needed": frames_needed(escape.max, confidence=escape.confidence),
            },
            "increase": {
                **_gate(bad, escape.max_increase, escape.confidence, _increase),
                "needed": parts_needed(escape.max_increase, confidence=escape.confidence),
            },
            "overkill": {
                **_gate(good, overkill.max, overkill.confidence, _share),
                "needed": frames_needed(overkill.max, confidence=overkill.confidence),
            },
        },
        "notes": list(dataset.notes),
    }


def provable_text(facts: dict[str, Any]) -> list[str]:
    """Describe it for a terminal, in lines."""
    images, groups = facts["images"], facts["groups"]
    counts = ", ".join(f"{split} {images[split]} images of {groups[split]} parts" for split in SPLITS)
    kinds = ", ".join(f"{kind} {count}" for kind, count in facts["kinds"].items())
    what = {
        "escape": "no defect escapes",
        "increase": "none escapes that the teacher catches",
        "overkill": "no good part is rejected",
    }
    return [
        f"what the data {facts['name']} can prove on its test split ({counts}; defects in test: {kinds})",
        *(f"  {name:<9} {_gate_text(gate, what[name])}" for name, gate in facts["gates"].items()),
    ]


def _gate(
    samples: Sequence[Sample],
    most: float,
    confidence: float,
    bound: Callable[[NDArray[np.bool_], Sequence[str], float], float],
) -> dict[str, Any]:
    groups = [each.group for each in samples]
    first = {group: place for place, group in reversed(list(enumerate(groups)))}
    order = [*first.values(), *(place for place in range(len(groups)) if first[groups[place]] != place)]
    wrong, allowed = np.zeros(len(samples), np.bool_), None
    upper = bound(wrong, groups, confidence)
    for count, place in enumerate(order[:_MOST_COUNTED]):
        if bound(wrong, groups, confidence) > most:
            break
        allowed = count
        wrong[place] = True
    return {
        "images": len(samples),
        "parts": len(first),
        "max": most,
        "confidence": confidence,
        "upper": float(f"{upper:.4g}"),
        "allowed": allowed,
    }


def _share(wrong: NDArray[np.bool_], groups: Sequence[str], confidence: float) -> float:
    return clustered_upper(wrong, groups, confidence=confidence)


def _increase(risen: NDArray[np.bool_], groups: Sequence[str], confidence: float) -> float:
    return increase_upper(risen, np.zeros_like(risen), groups, confidence=confidence)


def _gate_text(gate: dict[str, Any], what: str) -> str:
    seen = f"{gate['images']} images of {gate['parts']} parts: if {what}, at most {gate['upper']:.2%} at"
    seen += f" {gate['confidence']:.0%} confidence, gate {gate['max']:.2%}: "
    if gate["allowed"] is None:
        return f"{seen}cannot be proven; it takes {gate['needed']} parts at least"
    return f"{seen}provable; up to {gate['allowed']} may, each in another part"
