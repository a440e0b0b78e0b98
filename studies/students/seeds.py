"""What several seeds say together: a mean, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

_SIDE = 0.975


@dataclass(frozen=True, slots=True, kw_only=True)
class OverSeeds:
    """The mean of one figure over seeds, with its two-sided 95 % interval.

    The interval says how far another choice of seeds would move the mean; other images would move it further.

    Attributes:
        mean: Over seeds.
        lower: Of the interval; None for a single value.
        upper: Likewise.
    """

    mean: float
    lower: float | None
    upper: float | None

    def text(self, spec: str) -> str:
        """Give mean and interval in a format such as `.3f` or `+.1%`.

        >>> over_seeds([0.2, 0.3]).text(".2f"), over_seeds([0.2]).text(".2f")
        ('0.25 (-0.39 to 0.89)', '0.20')
        """
        if self.lower is None or self.upper is None:
            return f"{self.mean:{spec}}"
        return f"{self.mean:{spec}} ({self.lower:{spec}} to {self.upper:{spec}})"


def over_seeds(values: Sequence[float]) -> OverSeeds:
    """Average over seeds; the interval is Student's t.

    >>> found = over_seeds([1.0, 2.0, 3.0])
    >>> found.mean, round(found.upper - found.mean, 4)
    (2.0, 2.4841)
    """
    if len(values) < 2:
        return OverSeeds(mean=fmean(values), lower=None, upper=None)
    from scipy.stats import t

    mean, reach = fmean(values), float(t.ppf(_SIDE, len(values) - 1)) * stdev(values) / sqrt(len(values))
    return OverSeeds(mean=mean, lower=mean - reach, upper=mean + reach)
