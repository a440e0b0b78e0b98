"""Average precision of findings, as papers on detection give it, by pycocotools; nothing where that is missing."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.packages import missing_package
from ..decision.findings import Finding

OVERLAPS = (0.33, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragePrecision:
    """Mean over kinds of the area under precision over recall, of boxes.

    Attributes:
        at_33: At intersection over union from 0.33 on.
        at_50: From 0.5 on.
    """

    at_33: float
    at_50: float


def missing() -> str | None:
    """Say what is not installed, or None."""
    return missing_package("pycocotools", "detection")


def average_precision(
    marked: Sequence[Sequence[Finding]], found: Sequence[Sequence[Finding]], *, knows_kinds: bool
) -> AveragePrecision | None:
    """Compare findings with marked defects, photograph by photograph.

    Args:
        marked: What people marked on each photograph.
        found: What the model found there, down to low values; the surest come first.
        knows_kinds: Whether the model tells kinds apart; else all are of one kind.

    Returns:
        None where pycocotools is not installed, or nothing was marked.
    """
    if missing() is not None or not any(marked):
        return None
    names = sorted({each.kind for listed in marked for each in listed}) if knows_kinds else ["defect"]
    truth = [_annotation(at, each, names, knows_kinds) for at, listed in enumerate(marked) for each in listed]
    guesses = [_annotation(at, each, names, knows_kinds) for at, listed in enumerate(found) for each in listed]
    guesses = [each for each in guesses if each["category_id"]]
    if not guesses:
        return AveragePrecision(at_33=0.0, at_50=0.0)
    precision = _evaluated(truth, guesses, photographs=len(marked), kinds=len(names))
    at_33, at_50 = (float(np.mean(each[each >= 0])) for each in precision)
    return AveragePrecision(at_33=at_33, at_50=at_50)


def _annotation(photograph: int, finding: Finding, names: list[str], knows_kinds: bool) -> dict[str, Any]:
    kind = finding.kind if knows_kinds else "defect"
    return {
        "image_id": photograph + 1,
        "category_id": names.index(kind) + 1 if kind in names else 0,
        "bbox": list(finding.box),
        "area": finding.box.width * finding.box.height,
        "iscrowd": 0,
        "score": finding.peak * finding.sure,
    }


def _evaluated(truth: list[dict[str, Any]], guesses: list[dict[str, Any]], *, photographs: int, kinds: int) -> Any:
    """Give precision `[overlaps, recalls, kinds]`, -1 where a kind was not marked; what it prints is dropped."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        whole = COCO()
        whole.dataset = {
            "images": [{"id": each + 1} for each in range(photographs)],
            "categories": [{"id": each + 1} for each in range(kinds)],
            "annotations": [{**each, "id": place} for place, each in enumerate(truth, start=1)],
        }
        whole.createIndex()
        evaluation = COCOeval(whole, whole.loadRes(guesses), "bbox")
        evaluation.params.iouThrs = np.array(OVERLAPS)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][:, :, :, 0, -1]
