"""report.json, schema 1: every report is built from these models, and read back by them.

Keys may be added to a report by later versions: unknown ones are kept, known ones are checked.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from ...inspection.line.gates import Gates
from .schema_parts import (
    Circumstances,
    Count,
    Finite,
    NonNegative,
    OpenUnit,
    Part,
    Positive,
    Search,
    Unit,
    VerdictWord,
    WhatIf,
)
from .schema_times import Interleaved, Latency, Speedup, Typical


class Budget(Part):
    """What the belt leaves; `fixed_parts_ms` are the fixed times by name that were taken off."""

    period_ms: Positive
    deadline_ms: Positive
    miss_max: OpenUnit
    confidence: OpenUnit
    fixed_parts_ms: dict[str, NonNegative] = {}
    belt_speed_mm_s: Positive | None = None
    frames_per_s: Positive | None = None
    arrivals: dict[str, Any] = {}

    @property
    def fixed_ms(self) -> float:
        """Sum of the fixed times that are known by name."""
        return sum(self.fixed_parts_ms.values())

    @property
    def total_ms(self) -> float:
        """From the trigger until the part is at the ejector."""
        return self.deadline_ms + self.fixed_ms


class Data(Part):
    """The data set: images and groups per split; `notes` are plain sentences, `cautions` the weighty ones."""

    name: str
    digest: str
    images: dict[str, Count]
    groups: dict[str, Count] = {}
    defective: dict[str, Count] = {}
    notes: list[str] = []
    cautions: list[str] = []


class Device(Part):
    """What rows were measured on."""

    name: str
    cpu: str | None = None
    isa: list[str] = []
    threads: Annotated[int, Field(ge=1)] | None = None
    versions: dict[str, str | None] = {}


class Rate(Part):
    """A count among how many, with the bounds of its rate; `parts`: the different parts that they show."""

    count: Count
    of: Count
    upper: Unit
    lower: Unit | None = None
    parts: Count | None = None

    @property
    def rate(self) -> float:
        """Share seen, in [0, 1]; 0 where there was nothing to count."""
        return self.count / self.of if self.of else 0.0

    @model_validator(mode="after")
    def _counts_fit(self) -> Rate:
        if self.count > self.of:
            msg = f"count must be at most of ({self.of}), got {self.count}"
            raise ValueError(msg)
        return self


class Paired(Part):
    """The row against another one on the same defective parts; `increase` is the rise in escape rate."""

    against: str
    new_escapes: Count
    recovered: Count
    p_value: Unit
    increase: Finite | None = None
    increase_upper: Finite | None = None
    increase_lower: Finite | None = None
    new_escape_paths: list[str] = []


class Portion(Rate):
    """Escapes among the defects of one kind (its label), or of one group of photographs."""

    name: str


class SizeClass(Part):
    """Escapes among the parts whose largest defect is `from_px` camera pixels long, up to twice that."""

    from_px: int
    escape: Rate


class Design(Part):
    """Escapes and overkill of one group of many photographs, with exact intervals for that group alone."""

    name: str
    escape: Rate
    overkill: Rate


class Decided(Part):
    """How often one limit decided over photographs of the test split: of defective parts and of good ones."""

    limit: str
    action: Literal["accept", "reject", "review"]
    defective: Count
    good: Count


class Limits(Part):
    """What the line's limits did; `tolerated`: photographs whose marked defects they allow, counted as good."""

    decided: list[Decided] = []
    reviewed: Count = 0
    tolerated: Count = 0
    of: Count = 0


class Confused(Part):
    """How many marked defects of a kind were taken for which; `taken_for` is `(missed)` where nothing was found."""

    kind: str
    taken_for: str
    count: Count


class Detectability(Part):
    """Probability of detection by size (MIL-HDBK-1823A): `a90_95` bounds the size that is found nine times in ten."""

    defects: Count
    found: Count
    smallest: NonNegative | None = None
    largest_missed: NonNegative | None = None
    a90: NonNegative | None = None
    a90_95: NonNegative | None = None
    unit: Literal["mm", "px"]
    why_not: str = ""


class AveragePrecision(Part):
    """Mean average precision of boxes over kinds, at IoU from 0.33 and from 0.5 on (pycocotools)."""

    at_33: Unit
    at_50: Unit


class Findings(Part):
    """Findings against what people marked; `f1` is at IoU > 0.33, `side_error` the median of boxes' sides."""

    confusion: list[Confused] = []
    kinds_right: Unit | None = None
    false_findings: Count = 0
    f1: Unit = 0.0
    side_error: NonNegative | None = None
    detectability: Detectability
    average_precision: AveragePrecision | None = None


class Quality(Part):
    """How well a row sorts the test split, after limits where there are any; `by_group`: the groups with an escape.

    `auroc` is None, and its interval [0, 1], where the split has no defect.
    """

    auroc: Unit | None
    auroc_interval: Annotated[list[Unit], Field(min_length=2, max_length=2)]
    threshold: Finite
    escape: Rate
    overkill: Rate
    paired: Paired | None = None
    by_kind: list[Portion] = []
    by_group: list[Portion] = []
    by_size: list[SizeClass] = []
    by_design: list[Design] = []
    gated_kinds: list[Portion] = []
    limits: Limits | None = None
    findings: Findings | None = None


class OnVal(Part):
    """What the threshold costs where it was fitted; `threshold_proven`: its overkill there is surely within limits."""

    overkill: Rate
    escapes: Count
    threshold_proven: bool


class Parity(Part):
    """Agreement with an earlier stage on the same frames."""

    against: str
    max_abs: NonNegative
    flips: Count
    frames: Count
    rank_correlation: Finite | None = None
    flipped: list[Count] = []


class GateFinding(Part):
    """What a gate finds of a row, in the words that every format shows.

    `seen` and `proven` are clauses; `scale` is what was seen, its bound and the limit.
    """

    title: str
    outcome: VerdictWord
    lead: str
    seen: str
    proven: str = ""
    next_step: str = ""
    detail: str = ""
    scale: Annotated[list[Finite], Field(min_length=3, max_length=3)] | None = None

    @property
    def sentence(self) -> str:
        """What the finding proves, for a reader who has seen its title and what was seen."""
        proven = f"{self.proven[:1].upper()}{self.proven[1:]}." if self.proven else ""
        return " ".join(filter(None, (proven, self.detail)))


class Row(Part):
    """One way to run the inspection on one device.

    `gates`: each gate's finding by its key in line.yaml. `cautions`: what whoever relies on the row must bear in mind,
    whatever the verdict. `device` names an entry of the report's `devices`, None its only one; of a model that was
    measured on several devices there is a row for each, called `<model>@<device>`. `size_bytes` is what a device
    stores, `transport_bytes` what is sent to it. `lineage` says in words how the file was made, step by step.
    """

    name: Annotated[str, Field(min_length=1)]
    role: Literal["teacher", "candidate", "baseline"]
    recipe: list[str] = []
    backend: str
    precision: str
    artifact: str | None = None
    lineage: list[str] = []
    size_bytes: Count | None = None
    transport_bytes: Count | None = None
    parameters: Count | None = None
    macs: Count | None = None
    latency_ms: Latency | None = None
    engine_ms: Typical | None = None
    back_to_back_ms: Typical | None = None
    interleaved_ms: Interleaved | None = None
    speedup: Speedup | None = None
    quality: Quality | None = None
    parity: Parity | None = None
    verdict: VerdictWord
    reasons: list[str] = []
    next_steps: list[str] = []
    gates: dict[str, GateFinding] = {}
    cautions: list[str] = []
    threads: Annotated[int, Field(ge=1)] | None = None
    val: OnVal | None = None
    device: str | None = None
    what_if: WhatIf | None = None
    circumstances: Circumstances | None = None

    @property
    def model_name(self) -> str:
        """The row's name without its device: what rows of one model on several devices share."""
        return self.name.removesuffix(f"@{self.device}") if self.device else self.name


class AskedGates(Gates):
    """The gates as line.yaml asked for them; those of other packages are kept as they stand."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Report(Part):
    """A whole report.json; `devices` lists all of them where rows were measured on several, `device` is the first.

    `cautions` are those of the row shown, and of the data.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, populate_by_name=True)

    format: Annotated[Literal[1], Field(alias="schema")]
    budget: Budget
    data: Data
    device: Device
    devices: list[Device] = []
    rows: Annotated[list[Row], Field(min_length=1)]
    selected: str | None = None
    gates: AskedGates | None = None
    cautions: list[str] = []
    name: str | None = None
    started: str | None = None
    search: Search | None = None

    @model_validator(mode="after")
    def _names_fit(self) -> Report:
        names = [row.name for row in self.rows]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"row names must differ, got {', '.join(twice)} more than once"
            raise ValueError(msg)
        if self.selected is not None and self.selected not in names:
            msg = f"selected must be null or one of {', '.join(names)}; got {self.selected!r}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _devices_fit(self) -> Report:
        known = {device.name for device in self.devices or [self.device]}
        strange = sorted({row.device for row in self.rows if row.device is not None} - known)
        if strange:
            msg = f"device of a row must be one of {', '.join(sorted(known))}; got {', '.join(strange)}"
            raise ValueError(msg)
        return self

    def device_of(self, row: Row) -> Device:
        """Give the device that a row was measured on."""
        return next((device for device in self.devices if device.name == row.device), self.device)
