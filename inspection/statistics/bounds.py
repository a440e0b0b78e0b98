"""Bounds of a rate from a count, exact; how many frames it takes to prove one; and bounds where images share a part.

Source: C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the
binomial", Biometrika 26 (1934). One-sided throughout: an upper bound at confidence 0.95 is too low in at most 5 of
100 runs, whatever the true rate.

Several images of a part say less than as many parts. How much less is the design effect: the variance of the rate over
groups, divided by what it would be if images were independent. Images over design effect is the number of independent
images that say as much, and of so many the exact bound is taken.

Sources: E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with small expected number of positive
counts estimated from survey data", Survey Methodology 24 (1998); L. Kish, Survey Sampling (1965), for the effective
number. Where no event was seen, or only events, nothing is known of how images of a part hang together, so then they
count as if they always did; and no event seen can make a rate surer to be low than no event at all would.

scipy is imported where it is used: a measuring device has none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..base.errors import DataError


def rate_upper(count: int, of: int, *, confidence: float) -> float:
    """Bound a rate from above.

    Args:
        count: Events seen, 0 <= count <= of.
        of: Trials; 0 trials say nothing, so the bound is 1.
        confidence: In (0, 1).

    Returns:
        The upper bound, in [0, 1].

    Raises:
        DataError: The numbers are no count or no confidence.

    >>> [round(100 * rate_upper(0, defects, confidence=0.95), 2) for defects in (60, 109, 300, 1000)]
    [4.87, 2.71, 0.99, 0.3]
    """
    _check_count(count, of)
    _check_open_unit("confidence", confidence)
    from scipy.special import betaincinv

    return 1.0 if count == of else float(betaincinv(count + 1, of - count, confidence))


def rate_lower(count: int, of: int, *, confidence: float) -> float:
    """Bound a rate from below; the mirror of `rate_upper`, with the same arguments and errors.

    >>> rate_lower(0, 60, confidence=0.95), round(rate_lower(60, 60, confidence=0.95), 4)
    (0.0, 0.9513)
    """
    return 1.0 - rate_upper(of - count, of, confidence=confidence)


def frames_needed(max_rate: float, *, confidence: float, misses: int = 0) -> int:
    """Count the frames that prove a rate when `misses` of them may miss.

    The smallest n with P(X <= misses | n, max_rate) <= 1 - confidence, which is the smallest n whose `rate_upper` is
    at most `max_rate`. MLPerf's 64 and 662 queries and MLPerf Automotive's 6636 come from the same rule
    (mlcommons/inference, loadgen/early_stopping.cc).

    Args:
        max_rate: Rate to prove, in (0, 1).
        confidence: In (0, 1).
        misses: Misses seen or expected on the way, >= 0.

    Raises:
        DataError: A number lies outside its range.

    >>> frames_needed(0.01, confidence=0.99), frames_needed(0.01, confidence=0.99, misses=1)
    (459, 662)
    """
    _check_open_unit("max_rate", max_rate)
    _check_open_unit("confidence", confidence)
    if misses < 0:
        msg = f"misses must be >= 0, got {misses}"
        raise DataError(msg)
    too_few, enough = misses, 2 * misses + 1
    while not _proves(enough, max_rate, confidence, misses):
        too_few, enough = enough, 2 * enough
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if _proves(middle, max_rate, confidence, misses):
            enough = middle
        else:
            too_few = middle
    return enough


def clustered_upper(wrong: NDArray[np.bool_], groups: Sequence[str], *, confidence: float) -> float:
    """Bound a rate from above; never lower than if the images were independent.

    Args:
        wrong: Whether each image went wrong, bool `[images]`.
        groups: The physical part that each shows, as long.
        confidence: One-sided, in (0, 1).

    Returns:
        The upper bound, in [0, 1]; 1 where there are no images.

    >>> nothing_wrong = np.zeros(60, dtype=bool)
    >>> parts = [f"part {image // 6}" for image in range(60)]
    >>> round(clustered_upper(nothing_wrong, parts, confidence=0.95), 3)
    0.259
    >>> round(clustered_upper(nothing_wrong, [str(image) for image in range(60)], confidence=0.95), 3)
    0.049
    """
    exact = rate_upper(int(wrong.sum()), wrong.size, confidence=confidence)
    if not wrong.size:
        return exact
    share, parts = float(wrong.mean()), _effective_parts(groups)
    trials = _effective_images(wrong, groups, confidence)
    return max(exact, _upper(share * trials, trials, confidence), _upper(0.0, parts, confidence))


def clustered_lower(wrong: NDArray[np.bool_], groups: Sequence[str], *, confidence: float) -> float:
    """Bound a rate from below; the mirror of `clustered_upper`."""
    return 1.0 - clustered_upper(~wrong, groups, confidence=confidence)


def group_indices(groups: Sequence[str]) -> tuple[NDArray[np.intp], int]:
    """Number the groups: the index of each image's group, shape `[images]`, and how many groups there are.

    >>> group_indices(["b", "a", "b"])
    (array([1, 0, 1]), 2)
    """
    names, index = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    return index.reshape(-1), len(names)


def _proves(frames: int, max_rate: float, confidence: float, misses: int) -> bool:
    from scipy.special import betaincc

    return bool(betaincc(misses + 1, frames - misses, max_rate) <= 1 - confidence)


def _check_count(count: int, of: int) -> None:
    if not 0 <= count <= of:
        msg = f"count must be in [0, {of}], got {count}; count what went wrong among all that could"
        raise DataError(msg)


def _check_open_unit(name: str, value: float) -> None:
    if not 0 < value < 1:
        msg = f"{name} must be in (0, 1), got {value:g}; for 95 % write 0.95"
        raise DataError(msg)


def _effective_images(wrong: NDArray[np.bool_], groups: Sequence[str], confidence: float) -> float:
    """Count the independent images that say as much, between one for each part and one for each image."""
    from scipy.special import stdtrit

    index, count = group_indices(groups)
    share, images, parts = float(wrong.mean()), wrong.size, _effective_parts(groups)
    if count == 1 or share in (0.0, 1.0):
        return parts
    surplus = np.bincount(index, weights=wrong - share)
    variance = count / (count - 1) * float(surplus @ surplus) / images**2
    if variance == 0:
        return float(images)
    few_groups = float(stdtrit(images - 1, confidence) / stdtrit(count - 1, confidence)) ** 2
    return min(float(images), max(parts, few_groups * share * (1 - share) / variance))


def _effective_parts(groups: Sequence[str]) -> float:
    """Count the parts, less the more unevenly images are spread over them (Kish)."""
    sizes = np.bincount(group_indices(groups)[0]).astype(np.float64)
    return float(sizes.sum() ** 2 / (sizes @ sizes))


def _upper(events: float, trials: float, confidence: float) -> float:
    """Clopper and Pearson's bound, which its beta form extends to counts that are not whole."""
    from scipy.special import betaincinv

    return 1.0 if events >= trials else float(betaincinv(events + 1, trials - events, confidence))
