"""How well a model sorts good from defective: facts with their bounds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A count with its one-sided upper bound.

    Attributes:
        count: Parts that went wrong.
        of: Parts that could have.
        upper: Upper confidence bound of the rate, in [0, 1]; exact (Clopper-Pearson), for as many independent images
            as the images of so many parts are worth.
        lower: Lower confidence bound, likewise.
    """

    count: int
    of: int
    upper: float
    lower: float = 0.0


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
    """

    auroc: float
    auroc_interval: tuple[float, float]
    threshold: float
    escape: Rate
    overkill: Rate
    paired: Paired | None = None
