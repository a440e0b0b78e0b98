"""The conveyor line: how soon the next frame comes and how soon its answer is needed.

Period and deadline are independent: the period says how many frames a second must be worked off, the deadline when
the ejector must know. A deadline longer than the period is common: several frames are then under way at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ..base.errors import LineFileError
from .arrivals import Arrivals

_LONGEST_PERIOD_MS = 120_000.0

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Bursts(BaseModel):
    """Parts that touch: they were held up and come one close behind the other; the belt's mean rate stays.

    Attributes:
        every: There is one burst in so many parts.
        parts: How many parts touch.
        pitch_mm: From one of them to the next, in mm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    every: Annotated[int, Field(ge=3, le=1_000_000)]
    parts: Annotated[int, Field(ge=2)]
    pitch_mm: Positive


class Line(BaseModel):
    """The section `line:` of line.yaml.

    Attributes:
        belt_speed_mm_s: Speed of the belt, in mm/s.
        part_pitch_mm: From one part to the next, in mm.
        frames_per_part: Photographs taken of each part.
        camera_to_ejector_mm: From where a part's last frame is taken to where the ejector acts, in mm.
        fixed_ms: What passes between trigger and ejection besides the model, by name, in ms.
        cameras: Cameras that share the device; a part triggers all of them at the same moment.
        jitter_ms: How far a part may lie from its place on the belt, in ms either way.
        bursts: Parts that touch; None: all parts keep their distance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    belt_speed_mm_s: Positive
    part_pitch_mm: Positive
    frames_per_part: Annotated[int, Field(ge=1)] = 1
    camera_to_ejector_mm: Positive
    fixed_ms: dict[str, Milliseconds] = {}
    cameras: Annotated[int, Field(ge=1, le=64)] = 1
    jitter_ms: Milliseconds = 0.0
    bursts: Bursts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineBudget:
    """What the belt leaves the model.

    Attributes:
        period_ms: From one trigger of the cameras to the next, > 0.
        deadline_ms: From trigger to decision, > 0, the fixed times already taken off.
        fixed_ms: Sum of the fixed times.
        fixed_parts_ms: The fixed times by name.
        arrivals: When frames fall due: cameras, jitter and bursts.
    """

    period_ms: float
    deadline_ms: float
    fixed_ms: float
    fixed_parts_ms: dict[str, float]
    arrivals: Arrivals


def budget_of(line: Line, *, seed: int = 0) -> LineBudget:
    """Work out period and deadline.

    `period_ms = pitch / speed / frames per part`, `deadline_ms = distance / speed - fixed times`.

    Args:
        line: What the user says of the belt.
        seed: Of the jitter.

    Raises:
        LineFileError: The fixed times leave nothing (the message says which figure would have to change and to what),
            the period is so long that a unit must be wrong, or jitter and bursts do not go with the pitch.

    >>> line = Line(belt_speed_mm_s=500, part_pitch_mm=120, camera_to_ejector_mm=60, fixed_ms={"plc": 5, "ejector": 29})
    >>> budget = budget_of(line)
    >>> budget.period_ms, budget.deadline_ms
    (240.0, 86.0)
    """
    period_ms = 1000 * line.part_pitch_mm / line.belt_speed_mm_s / line.frames_per_part
    travel_ms = 1000 * line.camera_to_ejector_mm / line.belt_speed_mm_s
    fixed_ms = sum(line.fixed_ms.values())
    if period_ms > _LONGEST_PERIOD_MS:
        raise LineFileError(_too_slow(line, period_ms))
    if travel_ms <= fixed_ms:
        raise LineFileError(_no_time_left(line, travel_ms=travel_ms, fixed_ms=fixed_ms))
    return LineBudget(
        period_ms=period_ms,
        deadline_ms=travel_ms - fixed_ms,
        fixed_ms=fixed_ms,
        fixed_parts_ms=dict(line.fixed_ms),
        arrivals=_arrivals(line, period_ms, seed),
    )


def _arrivals(line: Line, period_ms: float, seed: int) -> Arrivals:
    if problem := _impossible_jitter(line, period_ms) or _impossible_bursts(line):
        msg = f"line: {problem}"
        raise LineFileError(msg)
    bursts = line.bursts
    return Arrivals(
        period_ns=max(1, round(period_ms * 1e6)),
        frames_per_part=line.frames_per_part,
        cameras=line.cameras,
        jitter_ns=int(line.jitter_ms * 1e6),
        burst_every=bursts.every if bursts else 0,
        burst_parts=bursts.parts if bursts else 0,
        burst_pitch_ns=round(1e9 * bursts.pitch_mm / line.belt_speed_mm_s) if bursts else 0,
        seed=seed,
    )


def _impossible_jitter(line: Line, period_ms: float) -> str | None:
    if 2 * line.jitter_ms <= period_ms:
        return None
    return (
        f"jitter_ms must be at most half of the {period_ms:g} ms from one photograph to the next, or parts would "
        f"overtake each other, got {line.jitter_ms:g}; write at most {period_ms / 2:g}"
    )


def _impossible_bursts(line: Line) -> str | None:
    if line.bursts is None:
        return None
    if line.bursts.parts >= line.bursts.every:
        return (
            f"bursts.parts must be below bursts.every, got {line.bursts.parts} of {line.bursts.every}; "
            "if all parts touch, write their distance as part_pitch_mm"
        )
    if line.bursts.pitch_mm >= line.part_pitch_mm:
        return (
            f"bursts.pitch_mm must be below part_pitch_mm ({line.part_pitch_mm:g}), "
            f"got {line.bursts.pitch_mm:g}; write the length of a part"
        )
    return None


def _too_slow(line: Line, period_ms: float) -> str:
    return (
        f"line: a frame must come at least every {_LONGEST_PERIOD_MS / 1000:g} s, got one every {period_ms / 1000:g} s "
        f"({line.part_pitch_mm:g} mm at {line.belt_speed_mm_s:g} mm/s); is belt_speed_mm_s written in m/s? "
        f"Then write {1000 * line.belt_speed_mm_s:g}"
    )


def _no_time_left(line: Line, *, travel_ms: float, fixed_ms: float) -> str:
    largest = max(line.fixed_ms, key=lambda name: line.fixed_ms[name])
    distance_mm = fixed_ms * line.belt_speed_mm_s / 1000
    speed_mm_s = 1000 * line.camera_to_ejector_mm / fixed_ms
    return (
        f"line: deadline_ms must be > 0, got {travel_ms - fixed_ms:g}: a part is at the ejector after {travel_ms:g} ms "
        f"({line.camera_to_ejector_mm:g} mm at {line.belt_speed_mm_s:g} mm/s), the fixed times take {fixed_ms:g} ms; "
        f"raise camera_to_ejector_mm above {distance_mm:g}, lower belt_speed_mm_s below {speed_mm_s:g}, "
        f"or shorten fixed_ms.{largest} ({line.fixed_ms[largest]:g} ms, the longest)"
    )
