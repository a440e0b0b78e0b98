"""Where to cut: the score from which a part is rejected, fitted on val for each artifact as it runs.

A threshold carried over from another precision is another operating point, so every compression step fits its own.
Where val leaves room between overkill and escapes, the room is shared: a threshold at the edge of what val allows is
the first to fail when the line brings parts that val does not show.

scipy is imported where it is used: a measuring device has none.
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
class EscapeLimit:
    """How many defects may pass.

    Attributes:
        of: Shape `[images]`, bool: the defective parts that the limit is for.
        max: Largest share of them passed, in (0, 1).
    """

    of: ArrayLike
    max: float


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
    escape_limits: Sequence[EscapeLimit] = (),
) -> OperatingPoint:
    """Find the threshold whose overkill is surely within the limit: the lowest, or a higher one that is surer still.

    The lowest allows the fewest escapes. It lies midway between the two scores around it, so that a rounding error does
    not flip a decision. Since it depends on the good scores' order alone, the bound holds for the next good part as it
    does in split conformal prediction (Angelopoulos et al., arXiv 2208.02814).

    Where every escape limit is proven there too, the threshold rises to where the least sure of all limits is as sure
    as it can be, each by its exact binomial test. Of thresholds that are alike in this it has the fewest escapes, and
    it lies midway in the range of scores that has so few. Overkill stays proven, since it only falls.

    Args:
        scores: Shape `[images]`, finite; higher is more surely defective.
        defective: Shape `[images]`, bool.
        max_overkill: Largest share of good parts rejected, in (0, 1).
        confidence: One-sided, in (0, 1).
        groups: The physical part of each image. Where given, a good part counts once, with the highest of its scores:
            the bound then holds for parts, whatever their photographs have in common, if parts come as those of val
            did. It is a distribution-free tolerance limit (S. S. Wilks, Annals of Mathematical Statistics 12, 1941).
        escape_limits: Limits on defects passed; none: the lowest threshold.

    Raises:
        DataError: Shapes differ, a score is not finite, or there is no good part.

    >>> point = operating_point([0.1, 0.2, 0.3, 0.7, 0.9], [0, 0, 0, 1, 1], max_overkill=0.05, confidence=0.95)
    >>> point.threshold, point.overkill.count, point.proven
    (0.5, 0, False)
    >>> scores, defective = [*[0.1] * 100, *[0.9] * 100], [*[False] * 100, *[True] * 100]
    >>> limit = EscapeLimit(of=defective, max=0.05)
    >>> operating_point(scores, defective, max_overkill=0.05, confidence=0.95, escape_limits=[limit]).threshold
    0.5
    """
    values, bad = checked_scores(scores, defective)
    good = np.sort(values[~bad] if groups is None else _highest_of_parts(values, bad, groups))[::-1]
    if not good.size:
        msg = "fitting a threshold: wanted at least one good part, got none; put good parts into val"
        raise DataError(msg)
    spared = _most_overkill(good.size, max_overkill=max_overkill, confidence=confidence)
    threshold = _midway_above(float(good[max(spared, 0)]), values)
    if spared >= 0 and escape_limits:
        threshold = _raised(threshold, good, values, escape_limits, max_overkill=max_overkill, doubt=1 - confidence)
    rejected = int((good >= threshold).sum())
    upper = rate_upper(rejected, good.size, confidence=confidence)
    return OperatingPoint(
        threshold=threshold,
        overkill=Rate(count=rejected, of=good.size, upper=upper),
        escapes=int((values[bad] < threshold).sum()),
        proven=upper <= max_overkill,
    )


def _raised(
    lowest: float,
    good: NDArray[np.float64],
    values: NDArray[np.float64],
    limits: Sequence[EscapeLimit],
    *,
    max_overkill: float,
    doubt: float,
) -> float:
    """Share the room between the limits; `lowest` where there is none.

    Args:
        lowest: The lowest threshold whose overkill is within the limit.
        good: Scores of good parts, in any order.
        values: Scores of all parts.
        limits: On escapes.
        max_overkill: Limit on overkill.
        doubt: Chance of an error that is allowed to each proof.
    """
    below = np.unique(values)
    above = np.append(below[1:], max(1.0, np.nextafter(below[-1], np.inf)))
    below, above = below[above > lowest], above[above > lowest]
    if not below.size:
        return lowest
    passed = [np.sort(values[np.asarray(limit.of, dtype=np.bool_)]) for limit in limits]
    escapes = [np.searchsorted(scores, below, side="right") for scores in passed]
    escape_doubt = np.max(
        [
            _log_doubt(count, scores.size, limit.max)
            for count, scores, limit in zip(escapes, passed, limits, strict=True)
        ],
        axis=0,
    )
    if escape_doubt[0] > np.log(doubt):
        return lowest
    overkill = good.size - np.searchsorted(np.sort(good), below, side="right")
    most = np.maximum(escape_doubt, _log_doubt(overkill, good.size, max_overkill))
    escaped = np.sum(escapes, axis=0)
    best = np.lexsort((escaped, most))[0]
    alike = (most == most[best]) & (escaped == escaped[best])
    return _midway(float(below[alike].min()), float(above[alike].max()))


def _log_doubt(count: NDArray[np.int64], of: int, limit: float) -> NDArray[np.float64]:
    """Logarithm of the chance to see so few events or fewer if their true share were at the limit, shape as `count`."""
    from scipy.special import bdtr

    with np.errstate(divide="ignore"):
        return np.log(np.asarray(bdtr(count, of, limit), dtype=np.float64))


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
    return _midway(score, following)


def _midway(low: float, high: float) -> float:
    """Give the middle, or `high` where no float lies between."""
    middle = low + (high - low) / 2
    return middle if middle > low else high
