"""Where to cut: the score from which a part is rejected, fitted on val for each artifact as it runs.

A threshold carried over from another precision is another operating point, so every compression step fits its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..base.errors import DataError
from .bounds import rate_upper
from .quality import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """A threshold and what it costs on the split it was fitted on.

    Attributes:
        threshold: Parts with `score >= threshold` are rejected; never equal to a score it was fitted on, unless
            two of them are neighbouring floats.
        overkill: Good parts rejected; `upper` is the exact binomial bound. Fitted by group, each group counts once.
        escapes: Defective parts passed.
        proven: Whether `overkill.upper` is within the limit. False only where there are too few good parts to prove
            it with no overkill at all; the threshold then lies just above the highest good score.
    """

    threshold: float
    overkill: Rate
    escapes: int
    proven: bool


def operating_point(
    scores: ArrayLike,
    defective: ArrayLike,
    *,
    max_overkill: float,
    confidence: float,
    groups: Sequence[str] | None = None,
) -> OperatingPoint:
    """Find the lowest threshold whose overkill is surely within the limit: the fewest escapes it allows.

    The cut lies midway between the two scores around it, so that a rounding error does not flip a decision. Since
    it depends on the good scores' order alone, the bound holds for the next good part as it does in split conformal
    prediction (Angelopoulos et al., arXiv 2208.02814).

    Args:
        scores: Shape `[images]`, finite; higher is more surely defective.
        defective: Shape `[images]`, bool.
        max_overkill: Largest share of good parts rejected, in (0, 1).
        confidence: One-sided, in (0, 1).
        groups: The physical part of each image. Where given, a good part counts once, with the highest of its scores:
            the bound then holds for parts, whatever their photographs have in common, if parts come as those of val
            did. It is a distribution-free tolerance limit (S. S. Wilks, Annals of Mathematical Statistics 12, 1941).

    Raises:
        DataError: Shapes differ, a score is not finite, or there is no good part.

    >>> point = operating_point([0.1, 0.2, 0.3, 0.7, 0.9], [0, 0, 0, 1, 1], max_overkill=0.05, confidence=0.95)
    >>> point.threshold, point.overkill.count, point.proven
    (0.5, 0, False)
    """
    values, bad = checked_scores(scores, defective)
    good = np.sort(values[~bad] if groups is None else _highest_of_parts(values, bad, groups))[::-1]
    if not good.size:
        msg = "fitting a threshold: wanted at least one good part, got none; put good parts into val"
        raise DataError(msg)
    spared = _most_overkill(good.size, max_overkill=max_overkill, confidence=confidence)
    threshold = _midway_above(float(good[max(spared, 0)]), values)
    rejected = int((good >= threshold).sum())
    upper = rate_upper(rejected, good.size, confidence=confidence)
    return OperatingPoint(
        threshold=threshold,
        overkill=Rate(count=rejected, of=good.size, upper=upper),
        escapes=int((values[bad] < threshold).sum()),
        proven=upper <= max_overkill,
    )


def fit_threshold(scores: ArrayLike, defective: ArrayLike, *, max_overkill: float, confidence: float) -> float:
    """Give the threshold of `operating_point`, which documents arguments and errors.

    >>> fit_threshold([0.1, 0.2, 0.3, 0.7, 0.9], [0, 0, 0, 1, 1], max_overkill=0.05, confidence=0.95)
    0.5
    """
    return operating_point(scores, defective, max_overkill=max_overkill, confidence=confidence).threshold


def checked_scores(scores: ArrayLike, defective: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give both as arrays of shape `[images]`: scores in float64, defective in bool.

    Raises:
        DataError: Shapes differ, there are more dimensions than one, or a score is not finite.
    """
    values = np.asarray(scores, dtype=np.float64)
    bad = np.asarray(defective, dtype=np.bool_)
    if values.shape != bad.shape or values.ndim != 1:
        msg = f"scores and labels: wanted two lists of one length, got shapes {values.shape} and {bad.shape}"
        raise DataError(msg)
    if not np.isfinite(values).all():
        index = int(np.flatnonzero(~np.isfinite(values))[0])
        msg = f"scores: wanted finite numbers, got {values[index]} for image {index}; did training diverge?"
        raise DataError(msg)
    return values, bad


def _highest_of_parts(
    values: NDArray[np.float64], bad: NDArray[np.bool_], groups: Sequence[str]
) -> NDArray[np.float64]:
    highest: dict[str, float] = {}
    for value, group in zip(values[~bad].tolist(), np.asarray(groups)[~bad].tolist(), strict=True):
        highest[group] = max(value, highest.get(group, value))
    return np.array(list(highest.values()), dtype=np.float64)


def _most_overkill(good: int, *, max_overkill: float, confidence: float) -> int:
    """Largest count among `good` parts whose upper bound is within the limit; -1 where even 0 is not."""
    allowed, too_many = -1, good
    while too_many - allowed > 1:
        middle = (allowed + too_many) // 2
        if rate_upper(middle, good, confidence=confidence) <= max_overkill:
            allowed = middle
        else:
            too_many = middle
    return allowed


def _midway_above(score: float, scores: NDArray[np.float64]) -> float:
    above = scores[scores > score]
    following = float(above.min()) if above.size else max(1.0, float(np.nextafter(score, np.inf)))
    middle = score + (following - score) / 2
    return middle if middle > score else following
