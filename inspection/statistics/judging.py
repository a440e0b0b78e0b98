"""From scores to quality: what a model lets through and throws away at its threshold, with bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..base.errors import DataError
from ..data.dataset import Sample
from ..line.gates import Gates
from .clustered import clustered_lower, clustered_upper
from .paired import compare_escapes
from .quality import Paired, Quality, Rate
from .roc import auroc, auroc_interval
from .threshold import checked_scores


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherDecisions:
    """What the teacher decides at its own threshold.

    Attributes:
        name: Its row in the report.
        rejected: By path of the image; for the same images as the candidates see.
    """

    name: str
    rejected: Mapping[str, bool]


def decide(name: str, scores: ArrayLike, samples: Sequence[Sample], *, threshold: float) -> TeacherDecisions:
    """Turn the teacher's scores, in the order of `samples`, into decisions by path.

    Raises:
        DataError: There is not one finite score for each sample.
    """
    values, _ = checked_scores(scores, [sample.defective for sample in samples])
    rejected = {sample.path: bool(value >= threshold) for sample, value in zip(samples, values, strict=True)}
    return TeacherDecisions(name=name, rejected=rejected)


def judge_quality(
    scores: ArrayLike,
    samples: Sequence[Sample],
    *,
    threshold: float,
    gates: Gates,
    teacher: TeacherDecisions | None = None,
    seed: int = 0,
) -> Quality:
    """Judge the scores of one split.

    Args:
        scores: Shape `[samples]`, finite, in the order of `samples`.
        samples: Good and defective ones.
        threshold: Fitted on val for this artifact; `score >= threshold` rejects.
        gates: Give the confidence of each bound.
        teacher: What to compare escapes with; None for the teacher itself.
        seed: Of the resampling behind the interval of the AUROC.

    Raises:
        DataError: There is not one finite score for each sample, a class is absent, or the teacher did not see a
            defective sample.
    """
    values, defective = checked_scores(scores, [sample.defective for sample in samples])
    groups = [sample.group for sample in samples]
    area = auroc(values, defective)
    rejected = values >= threshold
    bad = [sample for sample in samples if sample.defective]
    good = [sample for sample in samples if not sample.defective]
    passed = ~rejected[defective]
    return Quality(
        auroc=area,
        auroc_interval=auroc_interval(values, defective, groups, seed=seed),
        threshold=threshold,
        escape=_rate(passed, bad, confidence=gates.escape.confidence),
        overkill=_rate(rejected[~defective], good, confidence=gates.overkill.confidence),
        paired=None if teacher is None else _compare(passed, bad, teacher, gates=gates),
    )


def _rate(wrong: NDArray[np.bool_], samples: Sequence[Sample], *, confidence: float) -> Rate:
    groups = [sample.group for sample in samples]
    return Rate(
        count=int(wrong.sum()),
        of=len(samples),
        upper=clustered_upper(wrong, groups, confidence=confidence),
        lower=clustered_lower(wrong, groups, confidence=confidence),
    )


def _compare(passed: NDArray[np.bool_], bad: Sequence[Sample], teacher: TeacherDecisions, *, gates: Gates) -> Paired:
    unseen = [sample.path for sample in bad if sample.path not in teacher.rejected]
    if unseen:
        msg = (
            f"comparing with {teacher.name}: wanted its decision on all {len(bad)} defective images, "
            f"got none for {len(unseen)}, first {unseen[0]}; let it score the same split"
        )
        raise DataError(msg)
    return compare_escapes(
        passed,
        np.array([not teacher.rejected[sample.path] for sample in bad]),
        paths=[sample.path for sample in bad],
        groups=[sample.group for sample in bad],
        against=teacher.name,
        confidence=gates.escape.confidence,
    )
