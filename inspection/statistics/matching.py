"""Findings against what people marked: which defects were found, as which kind, and how well boxes agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..decision.findings import Box, Finding
from .average_precision import AveragePrecision
from .detectability import Detectability, detectability

MISSED = "(missed)"
"""In the place of a kind, of a defect that nothing was found at."""

_RIGHT_IOU = 0.33


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How many defects of one kind were taken for which.

    Attributes:
        kind: As people marked it.
        taken_for: As the model called it, or `(missed)`.
        count: Defects.
    """

    kind: str
    taken_for: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingsSeen:
    """Findings on the test split against what people marked there.

    Attributes:
        confusion: Sorted; pairs that never occurred are left out.
        kinds_right: Share of the found defects that were called by their kind; None: the model tells none apart.
        false_findings: Findings where nothing was marked.
        f1: Harmonic mean of precision and recall of findings, kinds aside, at IoU > 0.33 of their boxes.
        side_error: Median distance of a found box's sides from the marked ones, in `detectability.unit`; None: nothing
            was found.
        detectability: Probability of detection by size.
        average_precision: As papers give it; None: pycocotools is not installed.
    """

    confusion: tuple[Confusion, ...]
    kinds_right: float | None
    false_findings: int
    f1: float
    side_error: float | None
    detectability: Detectability
    average_precision: AveragePrecision | None = None


def findings_seen(
    marked: Sequence[Sequence[Finding]],
    found: Sequence[Sequence[Finding]],
    *,
    knows_kinds: bool,
    pixels_per_mm: float | None,
) -> FindingsSeen:
    """Compare findings with marked defects, photograph by photograph.

    A defect is found where a finding's box touches its own; its kind is that of the finding that covers most of it.

    Args:
        marked: Of each photograph: what people marked, as `marked_findings` gives it.
        found: Of the same photographs: what the model found and the line acted on.
        knows_kinds: Whether the model tells kinds apart.
        pixels_per_mm: The scale; None: sizes are in pixels.
    """
    confusion: Counter[tuple[str, str]] = Counter()
    sizes: list[float] = []
    hits: list[bool] = []
    errors: list[float] = []
    false = right = boxes = 0
    for own, seen in zip(marked, found, strict=True):
        boxes += len(seen)
        false += sum(not any(_shared(each.box, other.box) for other in own) for each in seen)
        right += len(_pairs(own, seen))
        for defect in own:
            best = max(seen, key=lambda each, box=defect.box: _shared(box, each.box), default=None)  # type: ignore[misc]
            hit = best is not None and _shared(defect.box, best.box) > 0
            hits.append(hit)
            sizes.append(defect.length)
            taken = best.kind if hit and best is not None else MISSED
            confusion[defect.kind, taken] += 1
            if hit and best is not None:
                errors += _side_errors(defect.box, best.box)
    named = sum(count for (_, taken), count in confusion.items() if taken != MISSED)
    same = sum(count for (kind, taken), count in confusion.items() if kind == taken)
    scale, unit = (1.0, "px") if pixels_per_mm is None else (pixels_per_mm, "mm")
    return FindingsSeen(
        confusion=tuple(
            Confusion(kind=kind, taken_for=taken, count=count) for (kind, taken), count in sorted(confusion.items())
        ),
        kinds_right=same / named if knows_kinds and named else None,
        false_findings=false,
        f1=2 * right / (len(sizes) + boxes) if sizes or boxes else 1.0,
        side_error=float(np.median(errors)) / scale if errors else None,
        detectability=detectability([each / scale for each in sizes], hits, unit=unit),
    )


def iou(first: Box, second: Box) -> float:
    """Give intersection over union of two boxes, in [0, 1].

    >>> iou(Box(0, 0, 2, 2), Box(1, 0, 2, 2))
    0.3333333333333333
    """
    shared = _shared(first, second)
    return shared / (first.width * first.height + second.width * second.height - shared) if shared else 0.0


def _shared(first: Box, second: Box) -> float:
    width = min(first.left + first.width, second.left + second.width) - max(first.left, second.left)
    height = min(first.top + first.height, second.top + second.height) - max(first.top, second.top)
    return max(0.0, width) * max(0.0, height)


def _pairs(own: Sequence[Finding], seen: Sequence[Finding]) -> list[tuple[int, int]]:
    """Pair each finding, the surest first, with the marked defect that it fits best and that is still free."""
    free = set(range(len(own)))
    pairs = []
    for place in sorted(range(len(seen)), key=lambda each: -seen[each].peak):
        best = max(free, key=lambda each, box=seen[place].box: iou(own[each].box, box), default=None)  # type: ignore[misc]
        if best is not None and iou(own[best].box, seen[place].box) > _RIGHT_IOU:
            pairs.append((best, place))
            free.remove(best)
    return pairs


def _side_errors(marked: Box, found: Box) -> list[float]:
    return [
        abs(marked.left - found.left),
        abs(marked.top - found.top),
        abs(marked.left + marked.width - found.left - found.width),
        abs(marked.top + marked.height - found.top - found.height),
    ]
