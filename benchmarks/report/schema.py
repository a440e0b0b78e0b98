"""report.json, schema 1: what it must hold.

Keys may be added to a report by later versions: unknown ones are kept, known ones are checked.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...inspection.line.gates import Gates
from .circumstances import Circumstances
from .schema_types import Count, Finite, NonNegative, OpenUnit, Positive, Unit, VerdictWord
from .search_schema import Search
from .what_if_schema import WhatIf


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", strict=True)


class Budget(_Part):
    """What the belt leaves; `fixed_parts_ms` are the fixed times by name that were taken off."""

    period_ms: Positive
    deadline_ms: Positive
    miss_max: OpenUnit
    confidence: OpenUnit
    fixed_parts_ms: dict[str, NonNegative] = {}
    belt_speed_mm_s: Positive | None = None
    frames_per_s: Positive | None = None

    @property
    def frames_per_hour(self) -> float:
        """Frames of all cameras; a report that does not say how many there are had one."""
        return 3_600 * (self.frames_per_s or 1_000 / self.period_ms)

    @property
    def fixed_ms(self) -> float:
        """Sum of the fixed times that are known by name."""
        return sum(self.fixed_parts_ms.values())

    @property
    def total_ms(self) -> float:
        """From the trigger until the part is at the ejector."""
        return self.deadline_ms + self.fixed_ms


class Data(_Part):
    """The data set: images and groups per split; `notes` are plain sentences."""

    name: str
    digest: str
    images: dict[str, Count]
    groups: dict[str, Count] = {}
    defective: dict[str, Count] = {}
    notes: list[str] = []


class Device(_Part):
    """What rows were measured on."""

    name: str
    cpu: str | None = None
    isa: list[str] = []
    threads: Annotated[int, Field(ge=1)] | None = None
    versions: dict[str, str | None] = {}


class Steadiness(_Part):
    """How the run hangs together: trend from first to last frame, and how long bursts of slow frames are."""

    autocorrelation: Finite = 0.0
    drift_p_value: Unit = 1.0
    drift_ms: Finite = 0.0
    cluster_frames: NonNegative = 1.0


class Latency(_Part):
    """Milliseconds from the moment a frame was due to its decision (`scope` says which span was timed)."""

    frames: Annotated[int, Field(ge=1)]
    p50: NonNegative
    p99: NonNegative
    p999: NonNegative | None = None
    misses: Count
    miss_upper: Unit
    miss_events: Count | None = None
    burst_frames: Annotated[int, Field(ge=1)] = 1
    effective_frames: Count | None = None
    scope: str = "frame_to_decision"
    pre_p50: NonNegative | None = None
    post_p50: NonNegative | None = None
    pre: NonNegative | None = None
    engine: NonNegative | None = None
    post: NonNegative | None = None
    steadiness: Steadiness | None = None

    @property
    def pre_ms(self) -> float:
        """Typical pre-processing; 0 where it was not timed apart."""
        return self.pre_p50 or self.pre or 0.0

    @property
    def post_ms(self) -> float:
        """Typical post-processing; 0 where it was not timed apart."""
        return self.post_p50 or self.post or 0.0

    @property
    def slowest_known(self) -> float:
        """The furthest percentile that there is, in ms."""
        return self.p99 if self.p999 is None else self.p999

    @property
    def slowest_one_in(self) -> int:
        """One in how many frames is slower than that."""
        return 100 if self.p999 is None else 1000

    @model_validator(mode="after")
    def _counts_fit(self) -> Latency:
        if self.misses > self.frames:
            msg = f"misses must be at most frames ({self.frames}), got {self.misses}"
            raise ValueError(msg)
        return self


class Typical(_Part):
    """A typical time in ms: inside the engine alone (`engine_ms`), or of whole decisions (`back_to_back_ms`)."""

    p50: NonNegative


class TimesFaster(_Part):
    """Another row's time over this one's, with its two-sided interval; above 1: this one is faster."""

    ratio: Positive
    lower: Positive
    upper: Positive
    confidence: OpenUnit


class Speedup(_Part):
    """A row against another one that were interleaved with it, so that drift of the machine cancels."""

    against: str
    p50: TimesFaster
    p99: TimesFaster


class Rate(_Part):
    """A count among how many, with the bounds of its rate."""

    count: Count
    of: Count
    upper: Unit
    lower: Unit | None = None

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


class Paired(_Part):
    """The row against another one on the same defective parts; `increase` is the rise in escape rate."""

    against: str
    new_escapes: Count
    recovered: Count
    p_value: Unit
    increase: Finite | None = None
    increase_upper: Finite | None = None
    increase_lower: Finite | None = None
    new_escape_paths: list[str] = []


class Quality(_Part):
    """How well a row sorts the test split."""

    auroc: Unit
    auroc_interval: Annotated[list[Unit], Field(min_length=2, max_length=2)]
    threshold: Finite
    escape: Rate
    overkill: Rate
    paired: Paired | None = None


class Parity(_Part):
    """Agreement with an earlier stage on the same frames."""

    against: str
    max_abs: NonNegative
    flips: Count
    frames: Count


class Step(_Part):
    """A row after one step of its recipe."""

    name: str
    size_bytes: Count | None = None
    parameters: Count | None = None
    quality: Quality | None = None


class Row(_Part):
    """One way to run the inspection on one device.

    `gate_verdicts` and `gate_next_steps` by the gate's key in line.yaml, where gates were judged apart. `device` names
    an entry of the report's `devices`, None its only one; of a model that was measured on several devices there is a
    row for each, called `<model>@<device>`. `size_bytes` is what a device stores, `transport_bytes` what is sent to it.
    `lineage` says in words how the file was made, step by step.
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
    interleaved_ms: Typical | None = None
    speedup: Speedup | None = None
    quality: Quality | None = None
    parity: Parity | None = None
    verdict: VerdictWord
    reasons: list[str] = []
    next_steps: list[str] = []
    steps: list[Step] = []
    gate_verdicts: dict[str, VerdictWord] = {}
    gate_next_steps: dict[str, str] = {}
    predicted: bool = False
    device: str | None = None
    what_if: WhatIf | None = None
    circumstances: Circumstances | None = None

    @property
    def model_name(self) -> str:
        """The row's name without its device: what rows of one model on several devices share."""
        return self.name.removesuffix(f"@{self.device}") if self.device else self.name


class Report(_Part):
    """A whole report.json; `devices` lists all of them where rows were measured on several, `device` is the first."""

    format: Annotated[Literal[1], Field(alias="schema")]
    budget: Budget
    data: Data
    device: Device
    devices: list[Device] = []
    rows: Annotated[list[Row], Field(min_length=1)]
    selected: str | None = None
    gates: Gates | None = None
    headline: str | None = None
    started: str | None = None
    command: str | None = None
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
