"""Whether what the station sees is still what its model was set up on: a named test on each full window of frames.

Each look is a two-sample Kolmogorov-Smirnov test of scores and of every number of the photographs' appearance against
the bundle's reference. A station looks for years, so p-values are corrected for everything looked at in a day
(Bonferroni: it holds however the looks depend on each other): at `alpha` = 0.001 a false alarm is to be expected on at
most one day in 1,000.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ...inspection.data.appearance import appearance_of
from ..outcomes import Seen
from .work_budget import WorkBudget

TEST = "two-sample Kolmogorov-Smirnov"
_DAY_MS = 86_400_000.0
_SURELY_ONE = 0.2
_TERMS = 30

Samples = Mapping[str, Sequence[float]]


class DriftSettings(BaseModel):
    """When parts count as other than those that the model was set up on.

    Attributes:
        window_frames: So many answered frames make one look.
        tolerated_share: Of a window: so much of it may be anything, such as defective parts.
        alpha: Chance of a false alarm on a day.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    window_frames: Annotated[int, Field(ge=50, le=100_000)] = 500
    tolerated_share: Annotated[float, Field(ge=0, lt=0.5)] = 0.05
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFinding:
    """One number of one window, compared with the reference.

    Attributes:
        what: `score`, or a number of `inspection.appearance`.
        distance: Largest difference of the distribution functions, in [0, 1].
        p_value: Of the test, for this one comparison.
        p_corrected: For all comparisons of a day.
        drifts: Whether the corrected p-value is below alpha.
        median: Of the window.
        reference_median: Of the reference.
    """

    what: str
    distance: float
    p_value: float
    p_corrected: float
    drifts: bool
    median: float
    reference_median: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftTest:
    """One full window.

    Attributes:
        number: Looks since the bundle was put to work, from 1.
        unix_ns: When, since 1970, UTC.
        bundle: Version whose reference it was.
        frames: In the window.
        reference_frames: In the reference.
        findings: One for each number.
    """

    number: int
    unix_ns: int
    bundle: str
    frames: int
    reference_frames: int
    findings: tuple[DriftFinding, ...]

    @property
    def drifting(self) -> tuple[DriftFinding, ...]:
        """What has drifted away; empty: nothing."""
        return tuple(each for each in self.findings if each.drifts)


class DriftWatch:
    """Collects answered frames and looks whenever a window is full; used by one thread, read by any.

    Attributes:
        latest: The last look; None: none yet, or the bundle has no reference.
    """

    def __init__(
        self,
        settings: DriftSettings,
        *,
        reference_of: Callable[[str], Samples | None],
        period_ms: float,
        alarm: Callable[[str], None] = lambda _: None,
        work_ms_per_s: float = 1e6,
    ) -> None:
        """Start with nothing seen.

        Args:
            settings: When parts count as other.
            reference_of: Gives a bundle's reference by its version; empty: it has none; None: ask again later.
            period_ms: From one frame to the next, for the number of looks in a day.
            alarm: Called with one sentence when drift begins.
            work_ms_per_s: So much CPU time it may take in a second; where frames are too large for that, it looks at
                fewer of them.
        """
        self._settings, self._reference_of, self._alarm = settings, reference_of, alarm
        self._budget = WorkBudget(work_ms_per_s)
        self._looks_a_day = max(1.0, _DAY_MS / (period_ms * settings.window_frames))
        self._bundle = ""
        self._reference: dict[str, NDArray[np.float64]] = {}
        self._rows: list[dict[str, float]] = []
        self._number = 0
        self._was_drifting = False
        self.latest: DriftTest | None = None

    def take(self, seen: Seen) -> None:
        """Add a frame that the model decided; others are passed over."""
        outcome = seen.outcome
        if outcome.bundle != self._bundle and not self._begin(outcome.bundle):
            return
        if not self._reference or outcome.score is None or seen.image is None or self._budget.spent:
            return
        with self._budget.work():
            self._rows.append({"score": outcome.score, **appearance_of(seen.image)})
        if len(self._rows) >= self._settings.window_frames:
            self._test()

    def _begin(self, bundle: str) -> bool:
        found = self._reference_of(bundle)
        if found is None:
            return False
        self._bundle, self._rows, self._number, self.latest = bundle, [], 0, None
        self._reference = {name: np.asarray(values, np.float64) for name, values in found.items()}
        return True

    def _test(self) -> None:
        rows, self._rows = self._rows, []
        self._number += 1
        findings = tuple(
            self._finding(name, np.array([row[name] for row in rows]), reference)
            for name, reference in self._reference.items()
        )
        self.latest = DriftTest(
            number=self._number,
            unix_ns=time.time_ns(),
            bundle=self._bundle,
            frames=len(rows),
            reference_frames=min(reference.size for reference in self._reference.values()),
            findings=findings,
        )
        if self.latest.drifting and not self._was_drifting:
            self._alarm(describe_drift(self.latest))
        self._was_drifting = bool(self.latest.drifting)

    def _finding(self, name: str, sample: NDArray[np.float64], reference: NDArray[np.float64]) -> DriftFinding:
        distance = smirnov_distance(reference, sample)
        p_value = smirnov_p_value(
            distance,
            frames=sample.size,
            reference_frames=reference.size,
            tolerated_share=self._settings.tolerated_share,
        )
        corrected = min(1.0, p_value * len(self._reference) * math.ceil(self._looks_a_day))
        return DriftFinding(
            what=name,
            distance=distance,
            p_value=p_value,
            p_corrected=corrected,
            drifts=corrected < self._settings.alpha,
            median=float(np.median(sample)),
            reference_median=float(np.median(reference)),
        )


def describe_drift(look: DriftTest) -> str:
    """Put a look into one sentence.

    >>> finding = DriftFinding(what="brightness", distance=0.4, p_value=1e-20, p_corrected=4e-17, drifts=True,
    ...                        median=60.0, reference_median=80.0)
    >>> describe_drift(DriftTest(number=3, unix_ns=0, bundle="pcb", frames=500, reference_frames=512,
    ...                          findings=(finding,)))
    'brightness 60 where the reference has 80 (two-sample Kolmogorov-Smirnov, 500 frames, corrected p = 4e-17)'
    """
    if not look.drifting:
        return f"no drift ({TEST}, {look.frames} frames)"
    named = ", ".join(f"{each.what} {each.median:.3g} where the reference has {each.reference_median:.3g}"
                      for each in look.drifting)  # fmt: skip
    least = min(each.p_corrected for each in look.drifting)
    return f"{named} ({TEST}, {look.frames} frames, corrected p = {least:.2g})"


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

    Sources: Smirnov 1948, "Table for estimating the goodness of fit of empirical distributions", whose limiting law is
    summed here (no SciPy on a device); Hodges 1957 on its being conservative for samples of unequal size.

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
