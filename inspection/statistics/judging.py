"""From scores to quality: what a model lets through and throws away at its threshold, with bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..base.errors import DataError
from ..data.dataset import Sample
from ..line.gates import Gates
from .bounds import clustered_lower, clustered_upper, rate_lower, rate_upper
from .paired import compare_escapes
from .quality import Design, LimitsSeen, Paired, Portion, Quality, Rate, SizeClass
from .roc import auroc, auroc_interval
from .threshold import checked_scores

_PHOTOGRAPHS_OF_A_DESIGN = 10
"""From so many photographs on a group is worth a line of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherDecisions:
    """What the teacher decides at its own threshold.

    Attributes:
        name: Its row in the report.
        rejected: By path of the image; for the same images as the candidates see.
    """

    name: str
    rejected: Mapping[str, bool]


def decide(
    name: str,
    scores: ArrayLike,
    samples: Sequence[Sample],
    *,
    threshold: float,
    rejected: NDArray[np.bool_] | None = None,
) -> TeacherDecisions:
    """Turn the teacher's scores, in the order of `samples`, into decisions by path.

    `rejected`: what it decides where not the score alone does, bool `[samples]`.

    Raises:
        DataError: There is not one finite score for each sample.
    """
    values, _ = checked_scores(scores, [sample.defective for sample in samples])
    ejected = values >= threshold if rejected is None else rejected
    by_path = {sample.path: bool(value) for sample, value in zip(samples, ejected, strict=True)}
    return TeacherDecisions(name=name, rejected=by_path)


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
    rejected: NDArray[np.bool_] | None = None,
    limits: LimitsSeen | None = None,
    lengths_px: Mapping[str, float] | None = None,
) -> Quality:
    """Judge the scores of one split.

    Args:
        scores: Shape `[samples]`, finite, in the order of `samples`.
        samples: Good and defective ones; without defects nothing is known of escapes and of AUROC.
        threshold: Fitted on val for this artifact; `score >= threshold` rejects.
        gates: Give the confidence of each bound.
        teacher: What to compare escapes with; None for the teacher itself.
        seed: Of the resampling behind the interval of the AUROC.
        rejected: What is ejected, bool `[samples]`, where limits decide; None: what reaches the threshold.
        limits: What those limits did.
        lengths_px: How long each part's largest marked defect is, by path, see `kinds.defect_lengths`.

    Raises:
        DataError: There is not one finite score for each sample, no part is good, or the teacher did not see a
            defective sample.
    """
    values, defective = checked_scores(scores, [sample.defective for sample in samples])
    groups = [sample.group for sample in samples]
    known = bool(defective.any())
    rejected = values >= threshold if rejected is None else rejected
    bad = [sample for sample in samples if sample.defective]
    good = [sample for sample in samples if not sample.defective]
    passed = ~rejected[defective]
    return Quality(
        auroc=auroc(values, defective) if known else None,
        auroc_interval=auroc_interval(values, defective, groups, seed=seed) if known else (0.0, 1.0),
        threshold=threshold,
        escape=_rate(passed, bad, confidence=gates.escape.confidence),
        by_kind=_portions(passed, bad, [sample.label for sample in bad], confidence=gates.escape.confidence),
        by_group=tuple(
            each
            for each in _portions(passed, bad, [sample.group for sample in bad], confidence=gates.escape.confidence)
            if each.rate.count
        ),
        by_size=_by_size(passed, bad, lengths_px or {}, confidence=gates.escape.confidence),
        by_design=_designs(rejected, samples, gates),
        overkill=_rate(rejected[~defective], good, confidence=gates.overkill.confidence),
        paired=None if teacher is None or not known else _compare(passed, bad, teacher, gates=gates),
        limits=limits,
        gated_kinds=_gated(passed, bad, gates),
    )


def _by_size(
    passed: NDArray[np.bool_], bad: Sequence[Sample], lengths_px: Mapping[str, float], *, confidence: float
) -> tuple[SizeClass, ...]:
    """Count apart the parts whose largest defect is so long, in classes from one power of two to the next."""
    places: dict[int, list[int]] = {}
    for place, sample in enumerate(bad):
        if sample.path in lengths_px:
            power = int(np.log2(max(1.0, lengths_px[sample.path])))
            places.setdefault(1 << power, []).append(place)
    if len(places) < 2:
        return ()
    return tuple(
        SizeClass(from_px=size, escape=_rate(passed[own], [bad[place] for place in own], confidence=confidence))
        for size, own in sorted(places.items())
    )


def _designs(rejected: NDArray[np.bool_], samples: Sequence[Sample], gates: Gates) -> tuple[Design, ...]:
    """Count apart each group of many photographs; within one group every photograph counts by itself."""
    places: dict[str, list[int]] = {}
    for place, sample in enumerate(samples):
        places.setdefault(sample.group, []).append(place)
    many = {name: own for name, own in places.items() if len(own) >= _PHOTOGRAPHS_OF_A_DESIGN}
    if len(many) < 2:
        return ()
    defective = np.array([sample.defective for sample in samples])
    designs = [
        Design(
            name=name,
            escape=_exact(~rejected[own][defective[own]], confidence=gates.escape.confidence),
            overkill=_exact(rejected[own][~defective[own]], confidence=gates.overkill.confidence),
        )
        for name, own in many.items()
    ]
    return tuple(sorted(designs, key=lambda each: (-each.escape.share, -each.overkill.share, each.name)))


def _exact(wrong: NDArray[np.bool_], *, confidence: float) -> Rate:
    count, of = int(wrong.sum()), len(wrong)
    upper, lower = (bound(count, of, confidence=confidence) for bound in (rate_upper, rate_lower))
    return Rate(count=count, of=of, upper=upper, lower=lower)


def _gated(passed: NDArray[np.bool_], bad: Sequence[Sample], gates: Gates) -> tuple[Portion, ...]:
    """Count the escapes of the kinds that have a gate of their own."""
    portions = []
    for kind in gates.escape.kinds:
        own = [place for place, sample in enumerate(bad) if kind in sample.kinds]
        rate = _rate(passed[own], [bad[place] for place in own], confidence=gates.escape.kind_confidence)
        portions.append(Portion(name=kind, rate=rate))
    return tuple(portions)


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
