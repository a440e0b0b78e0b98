"""Exact bounds of a rate from a count, and how many frames it takes to prove one.

Source: C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the
binomial", Biometrika 26 (1934). One-sided throughout: an upper bound at confidence 0.95 is too low in at most 5 of
100 runs, whatever the true rate.

scipy is imported where it is used: a measuring device has none.
"""

from __future__ import annotations

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
