"""The numbers of report.json with their ranges, and the parts of it that search, what-if and the system fill."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

VerdictWord = Literal["fits", "misses", "inconclusive"]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Unit = Annotated[float, Field(ge=0, le=1)]
OpenUnit = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=0)]


class Part(BaseModel):
    """A part of report.json: unknown keys are kept, known ones are checked without coercion."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)


class Disturbances(Part):
    """What came between while frames were judged; None: the system does not count it."""

    involuntary_switches: NonNegative | None = None
    major_page_faults: NonNegative | None = None
    steal_ms: NonNegative | None = None
    throttle_events: NonNegative | None = None
    quota_stopped_ms: NonNegative | None = None


class Conditions(Part):
    """What changes from minute to minute; None: not told."""

    temperature_c: Finite | None = None
    clock_mhz: NonNegative | None = None


class Circumstances(Part):
    """As `benchmarks.timing.disturbances.circumstances` gives them."""

    timer: dict[str, Any] | None = None

    disturbances: Disturbances = Disturbances()
    before: Conditions = Conditions()
    after: Conditions = Conditions()


class SearchTrial(Part):
    """One trial; escapes are on val at the overkill gate.

    `p99_ms` is of the engine: at line rate where the trial was trained whole, else back to back, as
    `back_to_back_p99_ms` is for all.

    `ending`: trained `whole`, `stopped` at a rung, `too slow` for the belt, `failed`, `under way` when time was over.
    """

    number: Count
    name: Annotated[str, Field(min_length=1)]
    words: str
    ending: Literal["whole", "stopped", "too slow", "failed", "under way"]
    p99_ms: Positive | None = None
    back_to_back_p99_ms: Positive | None = None
    escapes: Count | None = None
    defects: Count | None = None
    increase: Finite | None = None
    auroc: Unit | None = None
    epochs: Count | None = None
    holds: bool = False
    on_edge: bool = False
    is_row: bool = False
    error: str | None = None
    ended_s: NonNegative | None = None

    @property
    def comparable_p99_ms(self) -> float | None:
        """The 99th percentile in the engine that trials can be compared by, however far they came."""
        return self.back_to_back_p99_ms or self.p99_ms

    @property
    def caught(self) -> float | None:
        """Share of val's defective parts rejected."""
        return None if self.escapes is None or not self.defects else 1 - self.escapes / self.defects

    @model_validator(mode="after")
    def _counts_fit(self) -> SearchTrial:
        if self.escapes is not None and (self.defects is None or self.escapes > self.defects):
            msg = f"escapes must be at most defects ({self.defects}), got {self.escapes}"
            raise ValueError(msg)
        return self


class Search(Part):
    """A search, as far as it came; `rungs` are epochs."""

    trials: Annotated[list[SearchTrial], Field(min_length=1)]
    rungs: Annotated[list[Count], Field(min_length=1)]
    asked_trials: Count
    asked_minutes: Positive
    spent_minutes: NonNegative
    engine: str = "local"


class SpeedPoint(Part):
    """The line at one speed, as `benchmarks.belt_speed.Pace` has it; a percentile is None where that frame was lost."""

    speed_mm_s: Positive
    factor: Positive
    period_ms: Positive
    deadline_ms: Finite
    utilisation: NonNegative
    frames: Annotated[int, Field(ge=1)]
    misses: Count
    miss_upper: Unit
    lost: Count = 0
    p50_ms: NonNegative | None
    p99_ms: NonNegative | None
    slowest_ms: NonNegative
    backlog_frames: Count
    backlog_ms: NonNegative
    seems_to_hold: bool
    holds: bool
    frames_to_prove: Count | None = None


class WhatIf(Part):
    """What was measured, replayed at other speeds; it decides no verdict.

    Attributes:
        predicted: Always true.
        measured: What was replayed: `cpu`, `mode`, `artifact_digest`.
        cameras: Cameras that share the device.
        buffer: Frames that can wait; None: any number.
        frames: So many were replayed.
        confidence: Of the bound of the miss rate.
        limited_by: What ends the speed.
        today: At the line's own speed.
        asked: At the speed asked for.
        proven: The highest speed at which the bound of the miss rate holds; None: the run is too short for any.
        seen: The highest speed at which the share of late frames seen does.
        points: Lines by rising speed, those named among them.
        sentences: How fast the belt may run, and what ends it.
        assumed: What the prediction rests on.
    """

    predicted: Literal[True]
    measured: dict[str, str | None] = {}
    cameras: Count = 1
    buffer: Count | None = None
    frames: Count | None = None
    confidence: OpenUnit | None = None
    limited_by: str | None = None
    today: SpeedPoint
    asked: SpeedPoint | None = None
    proven: SpeedPoint | None = None
    seen: SpeedPoint | None = None
    points: Annotated[list[SpeedPoint], Field(min_length=2)]
    sentences: list[str] = []
    assumed: list[str] = []
