"""Masks as run lengths: small enough to stand in a text, and read without any image library."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..base.errors import DataError

Runs = tuple[int, ...]
"""Lengths of runs, row by row: of what is judged first (perhaps 0), then of what is not, and so on."""


def runs_of(mask: NDArray[np.bool_]) -> Runs:
    """Write a mask as run lengths.

    >>> runs_of(np.array([[False, True], [True, False]]))
    (1, 2, 1)
    """
    flat = np.concatenate([[False], mask.ravel()])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    return tuple(int(length) for length in np.diff(np.concatenate([[0], ends, [mask.size]])))


@lru_cache(maxsize=8)
def mask_of(runs: Runs, height: int, width: int) -> NDArray[np.bool_]:
    """Read what `runs_of` wrote: bool `[height, width]`, not to be changed.

    Raises:
        DataError: The runs do not add up to such a mask.
    """
    if sum(runs) != height * width or min(runs, default=0) < 0:
        msg = f"frame: ignore wants runs of {height * width} pixels in all, got {sum(runs)}; make the model again"
        raise DataError(msg)
    mask = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    mask.flags.writeable = False
    return mask


def resized_runs(runs: Runs, size: tuple[int, int], wanted: tuple[int, int]) -> Runs:
    """Give the same mask in another size, each pixel as the one below its centre.

    Args:
        runs: Of `size`.
        size: Height and width.
        wanted: Likewise.

    >>> resized_runs((1, 2, 1), (2, 2), (1, 4))
    (0, 2, 2)
    """
    rows, columns = (((np.arange(new) + 0.5) * old / new).astype(int) for old, new in zip(size, wanted, strict=True))
    return runs_of(mask_of(runs, *size)[np.ix_(rows, columns)])
