"""soak.json, schema 1 (keys may be added, not renamed): what a soak showed, and the verdict on its steady part.

Times are in ms where the name ends in `_ms`, in seconds where it ends in `_s`. Quantiles are never below the true
ones and at most `relative_error` above them; every count is exact. The times of every single frame are in the trace.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...inspection.base.errors import MeasurementError
from ...inspection.base.validation import describe_validation
from ...inspection.line.gates import MissGate

_MOST_BYTES = 32 << 20
_SETTINGS = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Stretch(BaseModel):
    """Response times of some frames of the belt."""

    model_config = _SETTINGS

    frames: int = Field(ge=1)
    p50_ms: float = Field(ge=0)
    p99_ms: float = Field(ge=0)
    p999_ms: float = Field(ge=0)
    max_ms: float = Field(ge=0)
    misses: int = Field(ge=0)


class Cold(BaseModel):
    """The frames before a session's belt was started, back to back; `first_ms` and `max_ms` None where none ran."""

    model_config = _SETTINGS

    frames: int = Field(ge=0)
    first_ms: float | None = Field(ge=0)
    max_ms: float | None = Field(ge=0)


class Session(BaseModel):
    """A stretch without interruption.

    Attributes:
        index: From 0.
        began: When its belt started, ISO 8601, UTC.
        gap_before_s: Since the last frame of the session before; None for the first.
        measured_s: How long its belt ran.
        frames: Of the belt.
        cold: Kept apart.
        steady_from_s: From when on it was steady; None: never.
    """

    model_config = _SETTINGS

    index: int = Field(ge=0)
    began: str
    gap_before_s: float | None
    measured_s: float = Field(ge=0)
    frames: int = Field(ge=0)
    cold: Cold
    steady_from_s: float | None = Field(ge=0)


class PointRow(BaseModel):
    """A stretch of `point_s` seconds; the conditions are None where the device does not show them.

    Attributes:
        at_s: When it begins, in seconds of the belt since the soak began; interruptions take no time.
        steady: Whether it belongs to the steady part.
        throttle_events: So far, as the device counts them.
    """

    model_config = _SETTINGS

    session: int = Field(ge=0)
    at_s: float = Field(ge=0)
    steady: bool
    frames: int = Field(ge=1)
    p50_ms: float = Field(ge=0)
    p99_ms: float = Field(ge=0)
    max_ms: float = Field(ge=0)
    misses: int = Field(ge=0)
    temperature_c: float | None
    clock_mhz: float | None
    load_1min: float | None
    throttle_events: float | None


class SoakSummary(BaseModel):
    """The whole of soak.json.

    Attributes:
        row: Which row of the report was soaked.
        asked_s: How long the belt was to run.
        measured_s: How long it did, in all sessions.
        complete: Whether that is all that was asked for.
        device: Fingerprint of the machine; see `targets.fingerprint`.
        whole: All frames of the belt.
        first_minute: Those of the first minute.
        before_steady: Those that are not judged; None where there are none.
        steady: Those that are judged; None where the device never became steady.
        miss_upper: Upper bound of the miss rate in the steady part, at the gate's confidence; None without one.
        burst_frames: Late frames that counted as one event; see `benchmarks.proof`.
        drift_ms: By how much the steady part still became slower (or faster) from its beginning to its end.
        throttling: What slowed the device, one sentence each.
        verdict: On the steady part.
        point_s: Length of a point.
        trace: Folder of the trace, as it was named then.
        trace_bytes: Its size.
    """

    model_config = _SETTINGS

    schema_: Literal[1] = Field(alias="schema")
    row: str
    artifact_digest: str
    backend: str
    period_ms: float = Field(gt=0)
    frames_per_s: float = Field(gt=0)
    deadline_ms: float = Field(gt=0)
    gate: MissGate
    asked_s: float = Field(gt=0)
    measured_s: float = Field(ge=0)
    complete: bool
    device: dict[str, Any]
    sessions: list[Session]
    whole: Stretch
    first_minute: Stretch
    before_steady: Stretch | None
    steady: Stretch | None
    miss_upper: float | None = Field(ge=0, le=1)
    burst_frames: int | None = Field(ge=1)
    drift_ms: float | None
    throttling: list[str]
    verdict: Literal["fits", "misses", "inconclusive"]
    reasons: list[str]
    next_steps: list[str]
    relative_error: float = Field(gt=0)
    trace: str
    trace_bytes: int = Field(ge=0)
    point_s: float = Field(gt=0)
    points: list[PointRow]


def read_soak(path: Path) -> SoakSummary:
    """Read a soak.json.

    Raises:
        MeasurementError: It is missing, of another version, damaged, or too large to be one.
    """
    try:
        if (size := path.stat().st_size) > _MOST_BYTES:
            msg = f"{path}: it has {size} bytes, at most {_MOST_BYTES} are read; soak again to have it written anew"
            raise MeasurementError(msg)
        return SoakSummary.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        msg = f"{path}: {describe_validation(error)}; start the same soak again to have it written anew"
        raise MeasurementError(msg) from error
    except (OSError, ValueError) as error:
        msg = f"{path}: not a summary of a soak ({error}); start the same soak again to have it written anew"
        raise MeasurementError(msg) from error
