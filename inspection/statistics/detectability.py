"""Probability of detection by size: the smallest defect that an inspection is proven to find.

Hit and miss by size, as MIL-HDBK-1823A (2009), Nondestructive Evaluation System Reliability Assessment, has it: the
log-odds of finding a defect rise with the logarithm of its size; a90 is the size found nine times in ten, a90/95 its
upper bound with 95 % confidence, by the likelihood ratio (appendix G of the handbook; Cheng and Iles 1988).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

import numpy as np
from numpy.typing import NDArray

LEAST_DEFECTS = 60
"""The handbook's least number for hit and miss."""

_ODDS_AT_90 = log(0.9 / 0.1)
_FURTHEST = 8.0
_STEEPEST = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectability:
    """What sizes are found.

    Attributes:
        defects: Marked defects that were looked for.
        found: Those found.
        smallest: Size of the smallest one that was found; None: none was.
        largest_missed: Size of the largest one that was missed; None: none was.
        a90: Size found nine times in ten; None where it cannot be said.
        a90_95: Its upper bound, one-sided, 95 %; None where it cannot be said.
        unit: Of all sizes: `mm` or `px`.
        why_not: Why there is no bound, and what to do; empty where there is one.
    """

    defects: int
    found: int
    smallest: float | None
    largest_missed: float | None
    a90: float | None
    a90_95: float | None
    unit: str
    why_not: str = ""


def detectability(sizes: Sequence[float], found: Sequence[bool], *, unit: str) -> Detectability:
    """Fit the probability of detection to hits and misses.

    Args:
        sizes: Length of each defect, > 0.
        found: Whether it was found, as long.
        unit: `mm` or `px`.

    >>> detectability([1.0, 2.0], [True, True], unit="mm").why_not[:38]
    'wanted at least 60 marked defects, got'
    """
    size, hit = np.asarray(sizes, np.float64), np.asarray(found, np.bool_)
    a90 = bound = None
    why_not = _refusal(size, hit)
    if not why_not:
        at, bound_at = _fitted(np.log(size), hit)
        a90, bound = _size_of(at), _size_of(bound_at)
        if bound is None:
            why_not = "larger defects are not surely found more often than small ones: add more small and large ones"
    return Detectability(
        defects=len(size),
        found=int(hit.sum()),
        smallest=float(size[hit].min()) if hit.any() else None,
        largest_missed=float(size[~hit].max()) if not hit.all() else None,
        a90=a90,
        a90_95=bound,
        unit=unit,
        why_not=why_not,
    )


def _size_of(at: float | None) -> float | None:
    return None if at is None else exp(at)


def _refusal(size: NDArray[np.float64], hit: NDArray[np.bool_]) -> str:
    if len(size) < LEAST_DEFECTS:
        return f"wanted at least {LEAST_DEFECTS} marked defects, got {len(size)}: add more to the test split"
    if hit.all():
        return "no defect was missed: add smaller ones, until some are"
    if not hit.any():
        return "no defect was found"
    if size[hit].min() > size[~hit].max():
        return "every defect above one size was found and none below: add some of about that size"
    return ""


def _fitted(x: NDArray[np.float64], hit: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    """Give the logarithms of a90 and of its bound; None where the likelihood has no end there."""
    from scipy.optimize import brentq, minimize_scalar
    from scipy.stats import chi2

    low, high = float(x.min()) - _FURTHEST, float(x.max()) + _FURTHEST

    def loss(at: float) -> float:
        return _best_loss(x, hit, at)

    grid = np.linspace(low, high, 121)
    start = int(np.argmin(_losses(x, hit, grid)))
    if start in (0, len(grid) - 1):
        return None, None
    found = minimize_scalar(loss, bounds=(float(grid[start - 1]), float(grid[start + 1])), method="bounded")
    best, least = float(found.x), float(found.fun)
    allowed = least + float(chi2.ppf(0.90, 1)) / 2  # one-sided 95 %
    if loss(high) < allowed:
        return best, None
    return best, float(brentq(lambda at: loss(at) - allowed, best, high))


def _losses(x: NDArray[np.float64], hit: NDArray[np.bool_], ats: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the negative log-likelihood for many a90 at once, at the best of some slopes each."""
    signs = np.where(hit, -1.0, 1.0)
    losses = [
        np.logaddexp(0.0, signs * (_ODDS_AT_90 + slope * (x - ats[:, None]))).sum(axis=1)
        for slope in np.exp(np.linspace(-3.0, 4.0, 15))
    ]
    return np.asarray(np.min(losses, axis=0))


def _best_loss(x: NDArray[np.float64], hit: NDArray[np.bool_], at: float) -> float:
    """Give the negative log-likelihood with a90 held, at its best slope >= 0."""
    from scipy.optimize import minimize_scalar

    def loss(log_slope: float) -> float:
        odds = _ODDS_AT_90 + exp(log_slope) * (x - at)
        return float(np.logaddexp(0.0, np.where(hit, -odds, odds)).sum())

    found = minimize_scalar(loss, bounds=(-_STEEPEST, log(100.0)), method="bounded")
    return float(found.fun)
