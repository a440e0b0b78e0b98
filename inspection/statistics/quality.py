"""How well a model sorts good from defective: facts with their bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .matching import FindingsSeen

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
class SizeClass:
    """Escapes among the parts whose largest defect has a certain length in camera pixels.

    Attributes:
        from_px: Shortest of the class; the longest is below twice that.
        escape: Passed ones.
    """

    from_px: int
    escape: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One group of many photographs, such as a board's design in many crops.

    Attributes:
        name: The group's.
        escape: Its defective photographs passed; bounds exact (Clopper-Pearson) for this group alone.
        overkill: Its good photographs rejected, likewise.
    """

    name: str
    escape: Rate
    overkill: Rate


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
class Decided:
    """How often one limit decided over photographs of the test split.

    Attributes:
        limit: In words.
        action: `reject`, `review` or `accept`.
        defective: Photographs of defective parts, as the limits see them.
        good: Photographs of good parts, those with tolerated defects among them.
    """

    limit: str
    action: str
    defective: int
    good: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsSeen:
    """What the limits did on the test split; escapes and overkill are counted after them.

    Attributes:
        decided: For each limit that decided, the most frequent first.
        reviewed: Photographs that a person is to look at: ejected, so caught if defective and overkill if good.
        tolerated: Photographs with marked defects that the limits tolerate: good ones.
        of: All photographs.
    """

    decided: tuple[Decided, ...]
    reviewed: int
    tolerated: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """A model's decisions on one split at its fitted threshold.

    Attributes:
        auroc: Area under the ROC curve over images, in [0, 1]; None where the split has no defect.
        auroc_interval: Two-sided 95 % interval from resampling groups; [0, 1] without a defect.
        threshold: Parts with `score >= threshold` are rejected.
        escape: Defective parts passed.
        overkill: Good parts rejected.
        paired: Against the teacher; None for the teacher itself.
        by_kind: Escapes for each kind of defect (its label), the highest rate first.
        by_group: Escapes for each group with at least one, the most escapes first.
        by_size: Escapes by the length of a part's largest marked defect, doubling from class to class, the shortest
            first; empty where fewer than two classes have any.
        by_design: Each group of at least ten photographs, where there are two such groups; the most escapes first.
        gated_kinds: Escapes for each kind that has a gate of its own, at `EscapeGate.kind_confidence`; of photographs
            with several kinds each counts.
        limits: What the limits of the line did; None: it has none.
        findings: What was found against what people marked; None: nobody marked anything.
    """

    auroc: float | None
    auroc_interval: tuple[float, float]
    threshold: float
    escape: Rate
    overkill: Rate
    paired: Paired | None = None
    by_kind: tuple[Portion, ...] = ()
    by_group: tuple[Portion, ...] = ()
    by_size: tuple[SizeClass, ...] = ()
    by_design: tuple[Design, ...] = ()
    gated_kinds: tuple[Portion, ...] = ()
    limits: LimitsSeen | None = None
    findings: FindingsSeen | None = None
