"""How well a model sorts good from defective: facts with their bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_ROUNDING = 1e-12
"""One event in one trial bounds the rate at exactly 1 - confidence from below: rounding must not decide there."""

Held = Literal["fits", "misses", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A count with its one-sided upper bound.

    Attributes:
        count: Photographs, or parts where parts are judged whole, that went wrong.
        of: Those that could have.
        upper: Upper confidence bound of the rate, in [0, 1]; exact (Clopper-Pearson), for as many independent images
            as the images of so many parts are worth.
        lower: Lower confidence bound, likewise.
        parts: Different parts that they show; None: as many as photographs.
    """

    count: int
    of: int
    upper: float
    lower: float = 0.0
    parts: int | None = None

    @property
    def share(self) -> float:
        """Share seen, in [0, 1]; 0 where there was nothing to count."""
        return self.count / self.of if self.of else 0.0

    @property
    def different(self) -> int:
        """How many different parts the count rests on."""
        return self.of if self.parts is None else self.parts

    def held_against(self, limit: float) -> Held:
        """Whether the rate is surely within a limit, surely above it, or neither.

        >>> Rate(count=0, of=60, upper=0.0487).held_against(0.05), Rate(count=0, of=20, upper=0.14).held_against(0.05)
        ('fits', 'inconclusive')
        """
        if self.upper <= limit:
            return "fits"
        return "misses" if self.lower > limit + _ROUNDING else "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Escapes among the defects of one kind, or of one group of photographs; `name` is the kind's or the group's."""

    name: str
    rate: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """A candidate's escapes against the teacher's, on the same defective parts.

    Attributes:
        against: Row name of the reference.
        new_escapes: Defects that the reference rejects and the candidate passes.
        recovered: Defects that the reference passes and the candidate rejects.
        p_value: Exact two-sided McNemar test (binomial on the discordant parts).
        increase: Point estimate of the rise in escape rate: (new_escapes - recovered) / defects; may be negative.
        increase_upper: Upper confidence bound of that rise.
        increase_lower: Lower confidence bound of that rise.
        new_escape_paths: The new escapes by name, sorted.
    """

    against: str
    new_escapes: int
    recovered: int
    p_value: float
    increase: float
    increase_upper: float
    increase_lower: float
    new_escape_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """A model's decisions on one split at its fitted threshold.

    Attributes:
        auroc: Area under the ROC curve over images, in [0, 1].
        auroc_interval: Two-sided 95 % interval from resampling groups.
        threshold: Parts with `score >= threshold` are rejected.
        escape: Defective parts passed.
        overkill: Good parts rejected.
        paired: Against the teacher; None for the teacher itself.
        by_kind: Escapes for each kind of defect (its label), the highest rate first.
        by_group: Escapes for each group with at least one, the most escapes first.
    """

    auroc: float
    auroc_interval: tuple[float, float]
    threshold: float
    escape: Rate
    overkill: Rate
    paired: Paired | None = None
    by_kind: tuple[Portion, ...] = ()
    by_group: tuple[Portion, ...] = ()
