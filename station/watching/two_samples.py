"""Whether two samples may come from one distribution: the two-sample Kolmogorov-Smirnov test.

Sources: Smirnov 1948, "Table for estimating the goodness of fit of empirical distributions", whose limiting law is
summed here (no SciPy on a device); Hodges 1957 on its being conservative for samples of unequal size.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_SURELY_ONE = 0.2
_TERMS = 30


def smirnov_distance(reference: NDArray[np.float64], sample: NDArray[np.float64]) -> float:
    """Largest difference between the two empirical distribution functions, in [0, 1].

    Args:
        reference: Ascending, shape `[m]`.
        sample: In any order, shape `[n]`.

    >>> round(smirnov_distance(np.array([1.0, 2.0, 3.0]), np.array([2.5, 3.5, 4.0, 5.0])), 4)
    0.75
    """
    ordered = np.sort(sample)
    values = np.concatenate([reference, ordered])
    shares = (np.searchsorted(row, values, side="right") / row.size for row in (reference, ordered))
    return float(np.abs(np.subtract(*shares)).max())


def smirnov_p_value(distance: float, *, frames: int, reference_frames: int, tolerated_share: float = 0.0) -> float:
    """Probability of a distance at least so large although both samples come from one distribution.

    With a tolerated share the question is whether the sample is such a one *after* up to that share of it was replaced
    by anything (such as defective parts, which the reference does not hold). k foreign values among n move an
    empirical distribution function by at most k / n anywhere, so the distance of the others is at least
    `distance - tolerated_share`, with at least `n (1 - tolerated_share)` of them.

    Args:
        distance: As `smirnov_distance` gives it.
        frames: n, size of the sample.
        reference_frames: m, size of the reference.
        tolerated_share: Of the sample, in [0, 1).

    >>> round(smirnov_p_value(0.1, frames=500, reference_frames=500), 4)
    0.0135
    >>> smirnov_p_value(0.1, frames=500, reference_frames=500, tolerated_share=0.1)
    1.0
    """
    own = frames * (1.0 - tolerated_share)
    scaled = math.sqrt(own * reference_frames / (own + reference_frames)) * max(0.0, distance - tolerated_share)
    if scaled < _SURELY_ONE:
        return 1.0
    terms = ((1.0 if k % 2 else -1.0) * math.exp(-2.0 * (k * scaled) ** 2) for k in range(1, _TERMS))
    return min(1.0, max(0.0, 2.0 * sum(terms)))
