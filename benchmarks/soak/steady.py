"""From when on is the device in one state? Before, it is cold or still being warmed up.

MSER-5: batch the series by five and cut off so many batches that the standard error of the mean of the rest is
smallest (White, "An effective truncation heuristic for bias reduction in simulation output", Simulation 69, 1997;
White, Cobb and Spratt, "A comparison of five steady-state truncation heuristics for simulation", WSC 2000). A cut in
the second half means that no steady state was reached: the series still moves (Hoad, Robinson and Davies,
"Automating warm-up length estimation", JORS 61, 2010).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BATCH = 5
_FEWEST_BATCHES = 10


def steady_from(values: NDArray[np.float64]) -> int | None:
    """Find the first value of the steady part of a series.

    Args:
        values: Such as medians of stretches of equal length, in their order; float64 `[n]`.

    Returns:
        Its index, a multiple of 5; None where the series never becomes steady, or is shorter than 50 values.

    >>> warming = np.concatenate([np.linspace(1.0, 2.0, 40), np.full(160, 2.0)])
    >>> steady_from(warming), steady_from(np.linspace(1.0, 2.0, 200)), steady_from(np.ones(49))
    (40, None, None)
    """
    batches = values.size // _BATCH
    if batches < _FEWEST_BATCHES:
        return None
    means = values[: batches * _BATCH].reshape(batches, _BATCH).mean(axis=1)
    cut = int(np.argmin(_squared_errors(means)))
    return cut * _BATCH if cut <= batches // 2 else None


def _squared_errors(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the squared standard error of the mean of what is left after each cut; at least five batches are left."""
    centred = means - means.mean()
    left = np.arange(means.size, 0, -1.0)
    sums, squares = (np.cumsum(each[::-1])[::-1] for each in (centred, centred**2))
    errors = np.maximum(0.0, squares - sums**2 / left) / left**2
    found: NDArray[np.float64] = errors[: means.size - _BATCH + 1]
    return found
