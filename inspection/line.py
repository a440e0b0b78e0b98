"""The conveyor line: how soon the next frame comes and how soon its answer is needed.

Period and deadline are independent: the period says how many frames a second must be worked off, the deadline when
the ejector must know. A deadline longer than the period is common: several frames are then under way at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from .errors import LineFileError

_LONGEST_PERIOD_MS = 120_000.0

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Line(BaseModel):
    """The section `line:` of line.yaml.

    Attributes:
        belt_speed_mm_s: Speed of the belt, in mm/s.
        part_pitch_mm: From one part to the next, in mm.
        frames_per_part: Photographs taken of each part.
        camera_to_ejector_mm: From where a part's last frame is taken to where the ejector acts, in mm.
        fixed_ms: What passes between trigger and ejection besides the model, by name, in ms.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    belt_speed_mm_s: Positive
    part_pitch_mm: Positive
    frames_per_part: Annotated[int, Field(ge=1)] = 1
    camera_to_ejector_mm: Positive
    fixed_ms: dict[str, Milliseconds] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class LineBudget:
    """What the belt leaves the model.

    Attributes:
        period_ms: From one frame to the next, > 0.
        deadline_ms: From trigger to decision, > 0, the fixed times already taken off.
        fixed_ms: Sum of the fixed times.
        fixed_parts_ms: The fixed times by name.
    """

    period_ms: float
    deadline_ms: float
    fixed_ms: float
    fixed_parts_ms: dict[str, float]


def budget_of(line: Line) -> LineBudget:
    """Work out period and deadline.

    `period_ms = pitch / speed / frames per part`, `deadline_ms = distance / speed - fixed times`.

    Raises:
        LineFileError: The fixed times leave nothing (the message says which figure would have to change and to what),
            or the period is so long that a unit must be wrong.

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
        period_ms=period_ms, deadline_ms=travel_ms - fixed_ms, fixed_ms=fixed_ms, fixed_parts_ms=dict(line.fixed_ms)
    )


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
