"""Axes that the latency charts share: logarithmic time across, round marks, one place for the margins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .svg import Scale, line, text

LEFT, RIGHT = 52.0, 14.0


def time_scale(response_ms: NDArray[np.float64], deadline_ms: float, width: float) -> Scale:
    """Give the time axis that holds all times and the deadline; times below 1 us stand at its left end."""
    fastest = max(float(response_ms.min()), 1e-3)
    low, high = min(fastest, deadline_ms / 2) * 0.8, max(float(response_ms.max()), deadline_ms) * 1.3
    return Scale(low=low, high=high, start=LEFT, end=width - RIGHT, log=True)


def time_axis(across: Scale, floor: float) -> list[str]:
    """Draw the time axis at height `floor`, with its title."""
    marks = [
        text(
            (across.start + across.end) / 2,
            floor + 38,
            "time from frame due to decision, ms",
            anchor="middle",
            class_="label muted",
        )
    ]
    for tick in across.ticks(12 if across.end > 500 else 6):
        marks.append(line(across.at(tick), floor, across.at(tick), floor + 5, "axis"))
        marks.append(text(across.at(tick), floor + 19, f"{tick:g}", anchor="middle"))
    return marks
