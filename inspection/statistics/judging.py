"""From scores to quality: what a model lets through and throws away at its threshold, with bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..base.errors import DataError
from ..data.dataset import Sample
from ..line.gates import Gates
from .bounds import clustered_lower, clustered_upper
from .paired import compare_escapes
from .quality import Paired, Portion, Quality, Rate
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


def by_part(scores: ArrayLike, samples: Sequence[Sample]) -> tuple[NDArray[np.float64], tuple[Sample, ...]]:
    """Put the photographs of each part together: a part is rejected if any of its photographs is.

    So a part's score is the highest of its photographs, and it is defective if any of them shows a defect.

    Args:
        scores: Shape `[samples]`, finite.
        samples: In the order of `scores`; `group` names the part.

    Returns:
        The scores, float64 `[parts]`, and a sample for each part, in the order in which parts first occur: its first
        photograph that shows a defect, which is the same whatever the scores; of a good part that with the highest
        score.

    Raises:
        DataError: There is not one finite score for each sample.
    """
    values, _ = checked_scores(scores, [sample.defective for sample in samples])
    places: dict[str, list[int]] = {}
    for place, sample in enumerate(samples):
        places.setdefault(sample.group, []).append(place)
    shown = (
        next((place for place in own if samples[place].defective), own[int(values[own].argmax())])
        for own in places.values()
    )
    highest = np.array([values[own].max() for own in places.values()], dtype=np.float64)
    return highest, tuple(samples[place] for place in shown)


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
        by_kind=_portions(passed, bad, [sample.label for sample in bad], confidence=gates.escape.confidence),
        by_group=tuple(
            each
            for each in _portions(passed, bad, [sample.group for sample in bad], confidence=gates.escape.confidence)
            if each.rate.count
        ),
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
        parts=len(set(groups)),
    )


def _portions(
    wrong: NDArray[np.bool_], samples: Sequence[Sample], names: Sequence[str], *, confidence: float
) -> tuple[Portion, ...]:
    """Count apart what belongs to each name; the most wrong first, then the highest rate, then by name."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    found = [
        Portion(name=name, rate=_rate(wrong[own], [samples[place] for place in own], confidence=confidence))
        for name, own in places.items()
    ]
    return tuple(sorted(found, key=lambda each: (-each.rate.share, -each.rate.count, each.name)))


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
