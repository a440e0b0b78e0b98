"""Whether scores sort good from defective parts at all: what is measured against a useless reference means nothing.

Source of the standard error: J. A. Hanley and B. J. McNeil, Radiology 143 (1982), eq. 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.dataset import Sample
from .roc import auroc, auroc_interval
from .threshold import checked_scores

_CHANCE = 0.5
_GOOD = 0.8
_TWO_SIDED_95 = 1.96
_MOST_PARTS = 1000

Finding = Literal["useful", "alike", "inverted", "chance", "too few", "no defects"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usefulness:
    """What scores of one split show.

    Attributes:
        finding: `useful`: surely above 0.5, by the interval and by what a coin toss gives with so many parts.
            `inverted`: surely below. `alike`: all scores are one. `chance`: neither, though there are parts enough to
            tell a good model (AUROC 0.8). `too few`: neither, and a good model would not be told either. `no defects`:
            there is none to tell by.
        auroc: In [0, 1]; 0.5 without defects.
        interval: Two-sided 95 %, from resampling parts.
        defective: Images.
        defective_parts: Physical parts that they show.
        good_parts: Likewise.
        score: The first one, to name where all are alike.
    """

    finding: Finding
    auroc: float
    interval: tuple[float, float]
    defective: int
    defective_parts: int
    good_parts: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Why a reference may be useless.

    Attributes:
        seen: What its scores show; the first half of a sentence.
        advice: What that usually comes from, and what to do; the second half.
    """

    seen: str
    advice: str

    @property
    def text(self) -> str:
        """Both as a sentence without its full stop.

        >>> Doubt(seen="all its scores are 0.5", advice="check the file").text
        'all its scores are 0.5; check the file'
        """
        return f"{self.seen}; {self.advice}"


def usefulness(scores: ArrayLike, samples: Sequence[Sample], *, seed: int = 0) -> Usefulness:
    """Judge scores, in the order of `samples`.

    Args:
        scores: Shape `[samples]`, finite.
        samples: Good and defective ones, or good ones alone.
        seed: Of the resampling.

    Raises:
        DataError: There is not one finite score for each sample, or no part is good.
    """
    values, defective = checked_scores(scores, [sample.defective for sample in samples])
    groups = [sample.group for sample in samples]
    known = bool(defective.any())
    area = auroc(values, defective) if known else _CHANCE
    interval = auroc_interval(values, defective, groups, seed=seed) if known else (0.0, 1.0)
    bad_parts = len({sample.group for sample in samples if sample.defective})
    good_parts = len({sample.group for sample in samples if not sample.defective})
    return Usefulness(
        finding="alike" if _all_alike(values) else _finding(area, interval, bad_parts, good_parts),
        auroc=area,
        interval=interval,
        defective=int(defective.sum()),
        defective_parts=bad_parts,
        good_parts=good_parts,
        score=float(values[0]),
    )


def parts_needed() -> int:
    """Give the number of good and of defective parts from which a good model is told from chance.

    >>> parts_needed()
    8
    """
    return next(count for count in range(2, _MOST_PARTS) if _can_separate(count, count))


def _all_alike(values: NDArray[np.float64]) -> bool:
    return values.size > 1 and float(np.ptp(values)) == 0


def _finding(area: float, interval: tuple[float, float], bad_parts: int, good_parts: int) -> Finding:
    if not bad_parts:
        return "no defects"
    if interval[0] > _CHANCE and area - _CHANCE > _TWO_SIDED_95 * _error_of_chance(bad_parts, good_parts):
        return "useful"
    if interval[1] < _CHANCE and _CHANCE - area > _TWO_SIDED_95 * _error_of_chance(bad_parts, good_parts):
        return "inverted"
    return "chance" if _can_separate(bad_parts, good_parts) else "too few"


def _error_of_chance(bad: int, good: int) -> float:
    """Give the standard error of the AUROC of a coin toss: resampling is too sure of few parts.

    H. B. Mann and D. R. Whitney, Annals of Mathematical Statistics 18 (1947).
    """
    return sqrt((bad + good + 1) / (12 * bad * good))


def _can_separate(bad: int, good: int) -> bool:
    """Say whether the interval of a good model would lie above chance."""
    one, two = _GOOD / (2 - _GOOD), 2 * _GOOD**2 / (1 + _GOOD)
    variance = _GOOD * (1 - _GOOD) + (bad - 1) * (one - _GOOD**2) + (good - 1) * (two - _GOOD**2)
    errors = sqrt(variance / (bad * good)), _error_of_chance(bad, good)
    return _GOOD - _TWO_SIDED_95 * max(errors) > _CHANCE
