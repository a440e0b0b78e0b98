"""How many times as long one model takes as another, with an interval.

Two ways, for two kinds of evidence. Where both were interleaved, each round gives one ratio; a machine that drifts
changes both sides of it, so that the drift cancels, and the rounds' scatter gives the interval. Where there are two
separate runs, only the scatter inside each run is known: whatever the machine did between them stays in the ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil, exp, sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...inspection.base.errors import MeasurementError
from ...inspection.statistics.quantile import quantiles

Method = Literal["t interval of log ratios", "block bootstrap"]
CONFIDENCE = 0.95

_FEWEST_ROUNDS = 2
_FEWEST_FRAMES = 50
_RESAMPLES = 1000
_FEWEST_RESAMPLES = 200
_DRAWS_IN_ALL = 400_000_000
_FRAMES_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A time of one model over the same time of another.

    Attributes:
        statistic: Which time, such as `p50`.
        ratio: Below 1: the first is faster.
        lower: Lower end of the interval, two-sided.
        upper: Upper end.
        confidence: Of the interval, in (0, 1).
        method: Where the interval comes from.
        by_round: The ratio of each round, in the order measured; empty where there were none.
    """

    statistic: str
    ratio: float
    lower: float
    upper: float
    confidence: float
    method: Method
    by_round: tuple[float, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether the interval leaves out 1: one of the two is certainly the faster."""
        return not self.lower <= 1.0 <= self.upper

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form; `by_round` as a list."""
        return {**asdict(self), "by_round": list(self.by_round), "differs": self.differs}


def ratio_of_rounds(statistic: str, times: Sequence[float], against: Sequence[float]) -> Ratio:
    """Compare two models that were interleaved: the geometric mean of the rounds' ratios and its Student interval.

    A fresh process per turn makes the round the unit that varies (T. Kalibera and R. Jones, "Rigorous benchmarking in
    reasonable time", ISMM 2013, section 5); ratios are averaged as logarithms, so that A over B is 1 / (B over A)
    (P. J. Fleming and J. J. Wallace, "How not to lie with statistics", CACM 29, 1986).

    Args:
        statistic: What the times are, such as `p50`.
        times: One per round, > 0, any unit.
        against: Of the other model, same rounds, same unit.

    Raises:
        MeasurementError: Fewer than two rounds, unequal numbers of them, or a time that is not positive.

    >>> found = ratio_of_rounds("p50", [2.0, 2.2, 1.9], [1.0, 1.1, 0.95])
    >>> round(found.ratio, 6), round(found.lower, 6), found.differs
    (2.0, 2.0, True)
    """
    from scipy.stats import t

    own, other = np.asarray(times, dtype=np.float64), np.asarray(against, dtype=np.float64)
    if own.shape != other.shape or own.size < _FEWEST_ROUNDS:
        msg = f"ratio: wanted the same {_FEWEST_ROUNDS} or more rounds of both, got {own.size} and {other.size}"
        raise MeasurementError(msg)
    if not (np.isfinite([own, other]).all() and min(own.min(), other.min()) > 0):
        msg = f"ratio: wanted times above 0, got {own.tolist()} and {other.tolist()}"
        raise MeasurementError(msg)
    logs = np.log(own / other)
    middle = float(logs.mean())
    reach = float(t.ppf((1 + CONFIDENCE) / 2, own.size - 1) * logs.std(ddof=1) / sqrt(own.size))
    return Ratio(
        statistic=statistic,
        ratio=exp(middle),
        lower=exp(middle - reach),
        upper=exp(middle + reach),
        confidence=CONFIDENCE,
        method="t interval of log ratios",
        by_round=tuple((own / other).tolist()),
    )


def ratios_of_runs(
    times: NDArray[np.int64], against: NDArray[np.int64], *, shares: dict[str, float], seed: int = 0
) -> dict[str, Ratio]:
    """Compare quantiles of two separate runs; frames of one run hang together, so blocks of them are drawn.

    The circular block bootstrap (D. N. Politis and J. P. Romano, in "Exploring the Limits of Bootstrap", Wiley 1992),
    each run drawn by itself, percentile interval. It says nothing of drift between the runs.

    Args:
        times: Of each frame, in the order they came, > 0; at least 50.
        against: Of the other run; the number of frames may differ.
        shares: Name to quantile in (0, 1), such as `{"p50": 0.5}`.
        seed: Of the draws.

    Returns:
        Name to ratio.

    Raises:
        MeasurementError: A run is too short, or holds a time that is not positive.
    """
    for each in (times, against):
        if each.size < _FEWEST_FRAMES or each.min() <= 0:
            msg = f"ratio: wanted {_FEWEST_FRAMES} or more frames of times above 0, got {each.size}; measure longer"
            raise MeasurementError(msg)
    random = np.random.default_rng(seed)
    resamples = int(np.clip(_DRAWS_IN_ALL / (times.size + against.size), _FEWEST_RESAMPLES, _RESAMPLES))
    wanted = list(shares.values())
    drawn = np.log(_drawn_quantiles(times, wanted, resamples, random))
    drawn -= np.log(_drawn_quantiles(against, wanted, resamples, random))
    lower, upper = np.exp(np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0))
    found = quantiles(times, wanted) / quantiles(against, wanted)
    return {
        name: Ratio(
            statistic=name,
            ratio=float(found[index]),
            lower=float(lower[index]),
            upper=float(upper[index]),
            confidence=CONFIDENCE,
            method="block bootstrap",
        )
        for index, name in enumerate(shares)
    }


def block_frames(values: NDArray[Any]) -> int:
    """Choose the length of a block: longer, the more neighbouring frames resemble each other.

    `(sqrt(6) * r / (1 - r^2))^(2/3) * n^(1/3)` with the lag-1 autocorrelation r is best for an autoregressive series
    (E. Carlstein, Annals of Statistics 14, 1986); here r is that of the ranks, so that one stall does not hide it, and
    the length is never below `n^(1/3)` nor above `n / 10`.

    >>> block_frames(np.arange(1000)), block_frames(np.random.default_rng(0).permutation(1000))
    (100, 10)
    """
    from scipy.stats import rankdata

    ranks = rankdata(values) - (values.size + 1) / 2
    power = float(ranks @ ranks)
    alike = max(0.0, float(ranks[1:] @ ranks[:-1]) / power) if power > 0 else 0.0
    strength = sqrt(6) * alike / max(1 - alike**2, 1e-9)
    wished = max(1.0, strength ** (2 / 3)) * float(values.size ** (1 / 3))
    return int(max(1, min(round(wished), values.size // 10)))


def _drawn_quantiles(
    values: NDArray[np.int64], shares: list[float], resamples: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """Quantiles of resampled runs, float64 `[resamples, shares]`; a bounded number of frames is drawn at once."""
    length = block_frames(values)
    blocks, offsets = ceil(values.size / length), np.arange(length)
    at_once = max(1, _FRAMES_AT_ONCE // values.size)
    found = []
    for first in range(0, resamples, at_once):
        starts = random.integers(0, values.size, (min(at_once, resamples - first), blocks, 1))
        chosen = (starts + offsets).reshape(len(starts), -1)[:, : values.size] % values.size
        found.append(quantiles(values[chosen], shares, axis=1).T)
    return np.concatenate(found)
