"""What people marked on a part, as findings: measured as the model's are, and held to the same limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..data.dataset import Dataset, Sample
from ..data.kinds import kind_masks
from .findings import Finding, View, find
from .limits import Limit, judge_findings

_MARKED = 0.5


def marked_findings(dataset: Dataset, sample: Sample, view: View) -> tuple[Finding, ...] | None:
    """Measure the marked defects of a sample.

    Args:
        dataset: Where it is from.
        sample: Any.
        view: Scale, zones and region; its threshold and kinds are not asked for.

    Returns:
        The defects, kind by kind; none for a good part. None: it is defective, and nobody said where.

    Raises:
        DataError: A mask cannot be read.
    """
    if not sample.defective:
        return ()
    if not sample.marked:
        return None
    found: list[Finding] = []
    for kind, mask in zip(dataset.kinds, kind_masks(dataset, sample), strict=True):
        if mask.any():
            own = replace(view, threshold=_MARKED, kinds=(kind,))
            found += find(mask.astype(np.uint8) * 255, own, size=mask.shape[:2])
    return tuple(found)


def held_to(sample: Sample, found: tuple[Finding, ...] | None, limits: tuple[Limit, ...]) -> Sample:
    """Give a sample as the limits see it: good, where they tolerate all that was marked on it.

    Args:
        sample: Any.
        found: Its marked defects, see `marked_findings`. None: nobody said where they are; then they are tolerated only
            if their kinds are, anywhere and in any size.
        limits: None: nothing is tolerated.
    """
    if not sample.defective or not limits:
        return sample
    if found:
        tolerated = not judge_findings(found, limits).ejects
    else:
        tolerated = all(_everywhere(kind, limits) for kind in sample.kinds)
    return replace(sample, defective=False) if tolerated else sample


def _everywhere(kind: str, limits: tuple[Limit, ...]) -> bool:
    own = [limit for limit in limits if limit.kind in (None, kind)]
    return any(limit.accept and limit.zone is None for limit in own) and all(limit.accept for limit in own)
