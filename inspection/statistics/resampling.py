"""Resampling physical parts: images of one part are not independent, so whole groups are drawn, never single images.

The percentile bootstrap over groups: B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics
7 (1979); for clusters C. A. Field and A. H. Welsh, "Bootstrapping clustered data", J. R. Statist. Soc. B 69 (2007). It
is too narrow with fewer than some 20 groups, and says nothing where an event was never seen: exact bounds stand beside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
_NUMBERS_AT_ONCE = 1_000_000


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


def group_indices(groups: Sequence[str]) -> tuple[NDArray[np.intp], int]:
    """Number the groups: the index of each image's group, shape `[images]`, and how many groups there are.

    >>> group_indices(["b", "a", "b"])
    (array([1, 0, 1]), 2)
    """
    names, index = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    return index.reshape(-1), len(names)
