"""Limits: which findings a part may carry, and the decision that follows from them.

A part whose score stays below the threshold is accepted. One that reaches it is rejected, unless there are limits: then
its findings decide, each by the limits that apply to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .findings import Finding
from .zones import Name

Action = Literal["accept", "reject", "review"]
Size = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=64)]

ALL_OF_IT = 0.9
"""A finding that is to be accepted in a zone lies in it with at least this share: cells on its edge belong to both."""

_SIZES = {
    "longer_than_mm": "longer than {:g} mm",
    "longer_than_px": "longer than {:g} px",
    "wider_than_mm": "wider than {:g} mm",
    "wider_than_px": "wider than {:g} px",
    "larger_than_mm2": "larger than {:g} mm2",
    "larger_than_px2": "larger than {:g} px2",
    "surer_than": "surer than {:g}",
}
_TOTALS = {
    "total_longer_than_mm": "longer than {:g} mm together",
    "total_longer_than_px": "longer than {:g} px together",
    "total_larger_than_mm2": "larger than {:g} mm2 together",
    "total_larger_than_px2": "larger than {:g} px2 together",
    "more_than": "more than {:g}",
}


class Limit(BaseModel):
    """One line of `limits:`: what is tolerated of one kind, in one zone.

    A finding that a limit applies to breaks it where it exceeds any of the sizes given; where none is given, by being
    there. The part breaks it where the findings together exceed a sum or the number. What breaks no limit is accepted;
    a finding that no limit applies to rejects the part. Limits of a zone go before those for everywhere.

    Attributes:
        kind: Of the findings that it applies to; None: of every kind.
        zone: It applies to findings that touch this zone, with `accept` to those that lie in it; None: everywhere.
        longer_than_mm: Longer side of the smallest rectangle around a finding.
        longer_than_px: The same in camera pixels.
        wider_than_mm: Its shorter side.
        wider_than_px: The same in camera pixels.
        larger_than_mm2: Area of a finding.
        larger_than_px2: The same in square camera pixels.
        surer_than: Highest value of a finding's heatmap, in (0, 1).
        more_than: Number of findings on a part.
        total_longer_than_mm: Lengths of a part's findings together.
        total_longer_than_px: The same in camera pixels.
        total_larger_than_mm2: Areas of a part's findings together.
        total_larger_than_px2: The same in square camera pixels.
        accept: The findings that it applies to are tolerated, unless they break another limit; no sizes then.
        review: A part that breaks it goes to a person: it is ejected, and counted apart.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    zone: Name | None = None
    longer_than_mm: Size | None = None
    longer_than_px: Size | None = None
    wider_than_mm: Size | None = None
    wider_than_px: Size | None = None
    larger_than_mm2: Size | None = None
    larger_than_px2: Size | None = None
    surer_than: Annotated[float, Field(gt=0, lt=1)] | None = None
    more_than: Count | None = None
    total_longer_than_mm: Size | None = None
    total_longer_than_px: Size | None = None
    total_larger_than_mm2: Size | None = None
    total_larger_than_px2: Size | None = None
    accept: bool = False
    review: bool = False

    @model_validator(mode="after")
    def _says_one_thing(self) -> Limit:
        if self.accept and (self.review or self.bounds):
            got = "review" if self.review else next(iter(self.bounds))
            msg = f"accept and {got} in one limit; leave accept out: what breaks no limit is accepted anyway"
            raise ValueError(msg)
        return self

    @property
    def bounds(self) -> dict[str, float]:
        """The sizes, sums and numbers that it names."""
        return {name: value for name in (*_SIZES, *_TOTALS) if (value := getattr(self, name)) is not None}

    @property
    def in_mm(self) -> bool:
        """Whether it needs to be known how many pixels a millimetre has."""
        return any("_mm" in name for name in self.bounds)

    @property
    def text(self) -> str:
        """The limit in words, such as `scratch in edge longer than 2 mm`."""
        where = f" in {self.zone}" if self.zone else ""
        bounds = " or ".join({**_SIZES, **_TOTALS}[name].format(value) for name, value in self.bounds.items())
        verb = "accept " if self.accept else ""
        return f"{verb}{self.kind or 'any finding'}{where}{f' {bounds}' if bounds else ''}"

    def applies_to(self, finding: Finding) -> bool:
        """Whether a finding is of its kind and in its zone."""
        if self.kind is not None and finding.kind != self.kind:
            return False
        share = 1.0 if self.zone is None else finding.zones.get(self.zone, 0.0)
        return share >= ALL_OF_IT if self.accept else share > 0

    def broken_by(self, findings: Sequence[Finding]) -> bool:
        """Whether findings that it applies to break it, one by itself or all together."""
        if not findings or self.accept:
            return False
        bounds = self.bounds
        sizes = {name: value for name, value in bounds.items() if name in _SIZES}
        if not bounds or any(_size(each, name) > value for each in findings for name, value in sizes.items()):
            return True
        return any(_total(findings, name) > value for name, value in bounds.items() if name in _TOTALS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What becomes of a part.

    Attributes:
        action: What to do with it.
        because: The limit that decided, in words, `score` where there are no limits or nothing was found to go by, or
            `no limit for <kind>`; empty where the score stayed below the threshold.
    """

    action: Action
    because: str = ""

    @property
    def ejects(self) -> bool:
        """Whether the part leaves the line: rejected, or to be looked at by a person."""
        return self.action != "accept"


WITHIN = "within the limits"
PASSED = Ruling(action="accept")
BY_SCORE = Ruling(action="reject", because="score")


def rule(score: float, threshold: float, findings: Sequence[Finding], limits: Sequence[Limit]) -> Ruling:
    """Decide on a part.

    Args:
        score: Of the model, in [0, 1].
        threshold: `score >= threshold` makes it a case for the limits; without limits it is rejected.
        findings: On the part. None where the score reaches the threshold: nothing can be excused, it is rejected.
        limits: None: the score alone decides.

    >>> limit = Limit(kind="scratch", longer_than_mm=2)
    >>> rule(0.9, 0.5, [], [limit]).action, rule(0.4, 0.5, [], [limit]).action
    ('reject', 'accept')
    """
    if score < threshold:
        return PASSED
    if not limits or not findings:
        return BY_SCORE
    return judge_findings(findings, limits)


def judge_findings(findings: Sequence[Finding], limits: Sequence[Limit]) -> Ruling:
    """Decide by findings alone: rejected before reviewed before accepted; says which limit decided."""
    governing = [_governing(each, limits) for each in findings]
    unruled = next((each for each, own in zip(findings, governing, strict=True) if not own), None)
    if unruled is not None:
        return Ruling(action="reject", because=f"no limit for {unruled.kind}")
    broken = [
        limit
        for limit in limits
        if limit.broken_by([each for each, own in zip(findings, governing, strict=True) if limit in own])
    ]
    if broken:
        first = next((limit for limit in broken if not limit.review), broken[0])
        return Ruling(action="review" if first.review else "reject", because=first.text)
    accepting = next((limit for own in governing for limit in own if limit.accept), None)
    return Ruling(action="accept", because=WITHIN if accepting is None else accepting.text)


def _governing(finding: Finding, limits: Sequence[Limit]) -> list[Limit]:
    """Give the limits that a finding is judged by; none: there is no limit for it.

    Those of a zone that it lies in go before those for everywhere. One that only touches a zone is held to both.
    """
    applying = [limit for limit in limits if limit.applies_to(finding)]
    zoned = [limit for limit in applying if limit.zone is not None]
    if any(finding.zones[limit.zone] >= ALL_OF_IT for limit in zoned if limit.zone is not None):
        return zoned
    return applying if len(applying) > len(zoned) else []


def _size(finding: Finding, name: str) -> float:
    """Give what a bound is compared with; a length in mm that is not known breaks every bound."""
    scale = finding.pixels_per_mm if name.endswith(("_mm", "_mm2")) else 1.0
    if name == "surer_than":
        return finding.peak
    if scale is None:
        return float("inf")
    pixels = {"longer": finding.length, "wider": finding.width, "larger": finding.area}[name.partition("_")[0]]
    return pixels / (scale**2 if name.startswith("larger") else scale)


def _total(findings: Sequence[Finding], name: str) -> float:
    if name == "more_than":
        return len(findings)
    return sum(_size(each, name.removeprefix("total_")) for each in findings)
