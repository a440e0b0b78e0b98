"""The area under the ROC curve, and how sure it is when several images show one part.

Source: J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC)
curve", Radiology 143 (1982): the share of pairs (defective, good) in which the defective image scores higher.

Its interval resamples physical parts: images of one part are not independent, so whole groups are drawn, never single
images. The percentile bootstrap over groups: B. Efron, "Bootstrap methods: another look at the jackknife", Annals of
Statistics 7 (1979); for clusters C. A. Field and A. H. Welsh, "Bootstrapping clustered data", J. R. Statist. Soc. B 69
(2007). It is too narrow with fewer than some 20 groups, and says nothing where an event was never seen: exact bounds
stand beside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..base.errors import DataError
from .bounds import group_indices
from .threshold import checked_scores

RESAMPLES = 1000
_NUMBERS_AT_ONCE = 1_000_000


def auroc(scores: ArrayLike, defective: ArrayLike) -> float:
    """Measure how well scores sort defective from good images; ties count half.

    Args:
        scores: Shape `[images]`, finite; higher is more surely defective.
        defective: Shape `[images]`, bool.

    Returns:
        Area in [0, 1]; 0.5 is chance.

    Raises:
        DataError: Shapes differ, a score is not finite, or one of the two classes is absent.

    >>> auroc([0.1, 0.4, 0.4, 0.9], [False, False, True, True])
    0.875
    """
    values, bad = _two_classes(scores, defective)
    return float(_areas(values, bad, np.arange(values.size), [np.ones((1, values.size), dtype=np.int64)])[0])


def auroc_interval(
    scores: ArrayLike, defective: ArrayLike, groups: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Give the two-sided 95 % percentile interval of `auroc` from resampling groups.

    Resamples without a good or without a defective image have no area and are left out; where none has both, the
    interval is [0, 1]. Where good and defective are told apart without a mistake, every resample has area 1 and so has
    the interval: read it with the exact bounds.

    Args:
        scores: Shape `[images]`, finite.
        defective: Shape `[images]`, bool.
        groups: The physical part of each image.
        resamples: How many to draw; with 1,000 another seed moves the ends by about a fiftieth of the interval's width.
        seed: Of the draws.

    Raises:
        DataError: As for `auroc`, or there are not as many groups as images.
    """
    values, bad = _two_classes(scores, defective)
    if len(groups) != values.size:
        msg = f"auroc_interval: wanted one group per image ({values.size}), got {len(groups)}"
        raise DataError(msg)
    index, count = group_indices(groups)
    draws = group_draws(count, resamples=resamples, seed=seed, width=values.size)
    areas = _areas(values, bad, index, draws)
    areas = areas[np.isfinite(areas)]
    if not areas.size:
        return 0.0, 1.0
    lower, upper = np.percentile(areas, (2.5, 97.5))
    return float(lower), float(upper)


def group_draws(groups: int, *, resamples: int, seed: int, width: int = 1) -> Iterator[NDArray[np.int64]]:
    """Draw `groups` groups with replacement, again and again; in blocks, so that memory stays bounded.

    Args:
        groups: How many there are, >= 1.
        resamples: How often to draw a whole set of them.
        seed: Of the draws; the same draws come for every `width`.
        width: Numbers the caller makes of each resample, such as one per image: a block is kept that small.

    Yields:
        How often each group was drawn, int64 `[some resamples, groups]`; each row sums to `groups`.

    >>> [block.shape for block in group_draws(3, resamples=5, seed=0)]
    [(5, 3)]
    """
    random = np.random.default_rng(seed)
    step = max(1, _NUMBERS_AT_ONCE // max(groups, width))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = random.integers(0, groups, (rows, groups)) + groups * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * groups).reshape(rows, groups)


def _areas(
    values: NDArray[np.float64], bad: NDArray[np.bool_], index: NDArray[np.intp], draws: Iterable[NDArray[np.int64]]
) -> NDArray[np.float64]:
    """Area for each row of each block of draws; `index` says which column weighs an image. NaN if a class is absent."""
    order = np.argsort(values[~bad])
    good, good_index, bad_index = values[~bad][order], index[~bad][order], index[bad]
    lower, upper = (np.searchsorted(good, values[bad], side=side) for side in ("left", "right"))
    areas = []
    for drawn in draws:
        beaten = np.zeros((len(drawn), good.size + 1), dtype=np.int64)
        np.cumsum(drawn[:, good_index], axis=1, out=beaten[:, 1:])
        weights = drawn[:, bad_index]
        won = (weights * (beaten[:, lower] + beaten[:, upper])).sum(axis=1) / 2
        pairs = weights.sum(axis=1) * beaten[:, -1]
        areas.append(np.where(pairs > 0, won / np.maximum(pairs, 1), np.nan))
    return np.concatenate(areas)


def _two_classes(scores: ArrayLike, defective: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, bad = checked_scores(scores, defective)
    if bad.all() or not bad.any():
        msg = f"AUROC: wanted good and defective images, got {int(bad.sum())} defective of {bad.size}"
        raise DataError(msg)
    return values, bad
