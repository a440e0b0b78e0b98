"""Bounds of a rate when several images show one part: images of a part go wrong together.

Several images of a part say less than as many parts. How much less is the design effect: the variance of the rate over
groups, divided by what it would be if images were independent. Images over design effect is the number of independent
images that say as much, and of so many the exact bound is taken.

Sources: E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with small expected number of positive
counts estimated from survey data", Survey Methodology 24 (1998); L. Kish, Survey Sampling (1965), for the effective
number. Where no event was seen, or only events, nothing is known of how images of a part hang together, so then they
count as if they always did; and no event seen can make a rate surer to be low than no event at all would.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .bounds import rate_upper
from .resampling import group_indices


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
