"""The part of a row in report.json that is predicted, not measured: its line at other belt speeds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from .schema_types import Count, Finite, NonNegative, Positive, Unit

_SETTINGS = ConfigDict(frozen=True, extra="allow", strict=True)


class SpeedPoint(BaseModel):
    """The line at one speed, as `benchmarks.belt_speed.Pace` has it; a percentile is None where that frame was lost."""

    model_config = _SETTINGS

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


class WhatIf(BaseModel):
    """What was measured, replayed at other speeds; it decides no verdict.

    Attributes:
        predicted: Always true.
        today: At the line's own speed.
        proven: The highest speed at which the bound of the miss rate holds; None: the run is too short for any.
        seen: The highest speed at which the share of late frames seen does.
        points: Lines by rising speed, those named among them.
        sentences: How fast the belt may run, and what ends it.
        assumed: What the prediction rests on.
    """

    model_config = _SETTINGS

    predicted: Literal[True]
    limited_by: str | None = None
    today: SpeedPoint
    proven: SpeedPoint | None = None
    seen: SpeedPoint | None = None
    points: Annotated[list[SpeedPoint], Field(min_length=2)]
    sentences: list[str] = []
    assumed: list[str] = []
