"""A candidate against its teacher on the same parts: a paired question, so only the parts where they differ count.

Sources: Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
Psychometrika 12 (1947), in its exact binomial form; `bounds` for those over parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..base.errors import DataError
from .bounds import clustered_lower, clustered_upper, frames_needed
from .quality import Paired

_SHARE_OF_ERROR = 0.8


def mcnemar_p_value(one_way: int, other_way: int) -> float:
    """Test exactly, two-sided, whether two models differ, given how many parts went each way.

    Under equality each discordant part goes either way with probability 1/2.

    >>> mcnemar_p_value(0, 0), mcnemar_p_value(0, 5), mcnemar_p_value(3, 3)
    (1.0, 0.0625, 1.0)
    """
    fewer, more = sorted((one_way, other_way))
    if fewer == more:
        return 1.0
    from scipy.special import betaincc

    return min(1.0, 2 * float(betaincc(fewer + 1, more, 0.5)))


def increase_upper(
    risen: NDArray[np.bool_], fallen: NDArray[np.bool_], groups: Sequence[str], *, confidence: float
) -> float:
    """Bound the rise of a paired rate from above, conservatively.

    The rise is P(risen) - P(fallen). Each of the two gets its bound over groups and a fixed share of the error
    (Bonferroni): four fifths for the one that must be small, one fifth for the one that is only taken off. So two
    events stay below 2 % among 328 parts; an even split would take 359.

    Args:
        risen: Which images only the candidate gets wrong, bool `[images]`.
        fallen: Which images only the reference gets wrong, as long.
        groups: The physical part that each shows, as long.
        confidence: One-sided, in (0, 1).

    Returns:
        In [-1, 1]; 1 where nothing was compared.

    >>> two, none, parts = np.arange(350) < 2, np.zeros(350, dtype=bool), [str(part) for part in range(350)]
    >>> round(increase_upper(two, none, parts, confidence=0.95), 4)
    0.0187
    """
    error = 1 - confidence
    most_risen = clustered_upper(risen, groups, confidence=1 - _SHARE_OF_ERROR * error)
    return most_risen - clustered_lower(fallen, groups, confidence=1 - (1 - _SHARE_OF_ERROR) * error)


def parts_needed(max_increase: float, *, confidence: float) -> int:
    """Count the defective parts that prove a rise to be small if the candidate passes none that the reference rejects.

    >>> parts_needed(0.02, confidence=0.95)
    160
    """
    return frames_needed(max_increase, confidence=1 - _SHARE_OF_ERROR * (1 - confidence))


def compare_escapes(
    passed: NDArray[np.bool_],
    reference_passed: NDArray[np.bool_],
    *,
    paths: Sequence[str],
    groups: Sequence[str],
    against: str,
    confidence: float,
) -> Paired:
    """Compare which of the defective parts two models pass.

    Args:
        passed: Whether the candidate passes each defective part, shape `[defects]`.
        reference_passed: The same of the reference.
        paths: Names of the parts, as long.
        groups: The physical part each belongs to, as long.
        against: Name of the reference.
        confidence: One-sided, of each bound, in (0, 1).

    Raises:
        DataError: The lists are empty or not of one length.
    """
    lengths = {len(passed), len(reference_passed), len(paths), len(groups)}
    if len(lengths) != 1 or 0 in lengths:
        msg = f"comparing escapes: wanted lists of one length, at least 1, got lengths {sorted(lengths)}"
        raise DataError(msg)
    new, recovered = passed & ~reference_passed, reference_passed & ~passed
    risen, fallen, defects = int(new.sum()), int(recovered.sum()), len(paths)
    return Paired(
        against=against,
        new_escapes=risen,
        recovered=fallen,
        p_value=mcnemar_p_value(risen, fallen),
        increase=(risen - fallen) / defects,
        increase_upper=increase_upper(new, recovered, groups, confidence=confidence),
        increase_lower=-increase_upper(recovered, new, groups, confidence=confidence),
        new_escape_paths=tuple(sorted(path for path, is_new in zip(paths, new, strict=True) if is_new)),
    )
