"""A candidate against its teacher on the same parts: a paired question, so only the parts where they differ count.

Sources: Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
Psychometrika 12 (1947), in its exact binomial form; Clopper & Pearson 1934 for the bounds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincc

from .bounds import rate_lower, rate_upper
from .errors import DataError
from .quality import Paired
from .resampling import resampled_means

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
    return min(1.0, 2 * float(betaincc(fewer + 1, more, 0.5)))


def increase_upper(risen: int, fallen: int, of: int, *, confidence: float) -> float:
    """Bound the rise of a paired rate from above, exactly but conservatively.

    The rise is P(risen) - P(fallen). Each of the two gets its Clopper-Pearson bound and a fixed share of the error
    (Bonferroni): four fifths for the one that must be small, one fifth for the one that is only taken off. So two
    events stay below 2 % among 328 parts; an even split would take 359.

    Args:
        risen: Parts that only the candidate gets wrong.
        fallen: Parts that only the reference gets wrong.
        of: All parts compared.
        confidence: One-sided, in (0, 1).

    Returns:
        In [-1, 1]; 1 where no parts were compared.

    Raises:
        DataError: A count is out of its range.

    >>> round(increase_upper(2, 0, 350, confidence=0.95), 4)
    0.0187
    """
    error = 1 - confidence
    most_risen = rate_upper(risen, of, confidence=1 - _SHARE_OF_ERROR * error)
    return most_risen - rate_lower(fallen, of, confidence=1 - (1 - _SHARE_OF_ERROR) * error)


def compare_escapes(
    passed: NDArray[np.bool_],
    reference_passed: NDArray[np.bool_],
    *,
    paths: Sequence[str],
    groups: Sequence[str],
    against: str,
    confidence: float,
    seed: int = 0,
) -> Paired:
    """Compare which of the defective parts two models pass.

    Both bounds of the rise are the worse of the exact one, which takes images as independent, and the bootstrap over
    groups, which does not but knows only what it has seen.

    Args:
        passed: Whether the candidate passes each defective part, shape `[defects]`.
        reference_passed: The same of the reference.
        paths: Names of the parts, as long.
        groups: The physical part each belongs to, as long.
        against: Name of the reference.
        confidence: One-sided, of each bound, in (0, 1).
        seed: Of the bootstrap.

    Raises:
        DataError: The lists are empty or not of one length.
    """
    lengths = {len(passed), len(reference_passed), len(paths), len(groups)}
    if len(lengths) != 1 or 0 in lengths:
        msg = f"comparing escapes: wanted lists of one length, at least 1, got lengths {sorted(lengths)}"
        raise DataError(msg)
    new, recovered = passed & ~reference_passed, reference_passed & ~passed
    risen, fallen, defects = int(new.sum()), int(recovered.sum()), len(paths)
    rises = resampled_means(new.astype(np.int64) - recovered, groups, seed=seed)
    upper = increase_upper(risen, fallen, defects, confidence=confidence)
    lower = -increase_upper(fallen, risen, defects, confidence=confidence)
    return Paired(
        against=against,
        new_escapes=risen,
        recovered=fallen,
        p_value=mcnemar_p_value(risen, fallen),
        increase=(risen - fallen) / defects,
        increase_upper=max(upper, float(np.quantile(rises, confidence, method="higher"))),
        increase_lower=min(lower, float(np.quantile(rises, 1 - confidence, method="lower"))),
        new_escape_paths=tuple(sorted(path for path, is_new in zip(paths, new, strict=True) if is_new)),
    )
