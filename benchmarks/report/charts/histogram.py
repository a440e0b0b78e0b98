"""How often each response time occurred, against the deadline."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ....inspection.statistics.quantile import quantiles
from ..wording import count, ms, significant
from .axes import LEFT, RIGHT, time_axis, time_scale
from .svg import Scale, element, line, picture, text, text_width_px, tooltip

_BAR_PX = 7.0


def latency_histogram(response_ms: NDArray[np.float64], *, deadline_ms: float, width: float) -> str:
    """Draw how many frames took how long; both axes are logarithmic, so that a single slow frame is seen.

    Args:
        response_ms: Shape `[frames]`, at least one.
        deadline_ms: Bars beyond it stand in the colour of a miss; no bar lies across it.
        width: Pixels.
    """
    floor, plot_height = 300.0, 200.0
    across = time_scale(response_ms, deadline_ms, width)
    lefts, rights, counts = _bars(response_ms, deadline_ms, across)
    up = Scale(low=0.6, high=max(12.0, 1.3 * float(counts.max())), start=floor, end=floor - plot_height, log=True)
    bars = [
        _bar(left, right, int(number), across, up, late=left >= deadline_ms * 0.999)
        for left, right, number in zip(lefts, rights, counts, strict=True)
    ]
    late = int((response_ms > deadline_ms).sum())
    label_text = (
        f"Histogram of {count(len(response_ms))} response times, deadline {ms(deadline_ms)}, {count(late)} late"
    )
    return picture(
        width,
        floor + 44,
        *_count_axis(up, width),
        *bars,
        line(LEFT, floor, width - RIGHT, floor, "axis"),
        *time_axis(across, floor),
        *_percentile_marks(response_ms, deadline_ms, across, floor),
        label=label_text,
    )


def _bars(
    response_ms: NDArray[np.float64], deadline_ms: float, across: Scale
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Count times in (left, right] with edges at deadline * ratio^k, so that the deadline is an edge."""
    ratio = (across.high / across.low) ** (_BAR_PX / (across.end - across.start))
    clipped = np.clip(response_ms, across.low, across.high)
    steps = np.ceil(np.log(clipped / deadline_ms) / math.log(ratio) - 1e-9).astype(np.int64)
    late = response_ms > deadline_ms
    steps = np.where(late, np.maximum(steps, 1), np.minimum(steps, 0))
    found, counts = np.unique(steps, return_counts=True)
    return deadline_ms * ratio ** (found - 1.0), deadline_ms * ratio ** found.astype(float), counts


def _bar(left: float, right: float, number: int, across: Scale, up: Scale, *, late: bool) -> str:
    start, end, height = across.at(left), across.at(right), up.at(number)
    return element(
        "rect",
        tooltip(f"{count(number)} of the frames took {significant(left)} to {ms(right)}"),
        x=start + 0.5,
        y=height,
        width=max(end - start - 1, 1.0),
        height=up.start - height,
        class_="bar late" if late else "bar",
    )


def _percentile_marks(response_ms: NDArray[np.float64], deadline_ms: float, across: Scale, floor: float) -> list[str]:
    half, most = quantiles(response_ms, (0.5, 0.99))
    marks = [("half the frames within", half, "mark"), ("99 % within", most, "mark")]
    marks += [("slowest", float(response_ms.max()), "mark"), ("deadline", deadline_ms, "deadline")]
    drawn = []
    for row, (name, value, class_) in enumerate(marks):
        x, y = across.at(value), 14.0 + 19 * row
        label = f"{name} {ms(value)}"
        to_left = x + 8 + text_width_px(label) > across.end
        drawn.append(line(x, y - 10, x, floor, class_))
        drawn.append(text(x - 6 if to_left else x + 6, y, label, anchor="end" if to_left else "start"))
    return drawn


def _count_axis(up: Scale, width: float) -> list[str]:
    marks = []
    for tick in up.ticks(6):
        if tick >= 1 and math.log10(tick) % 1 == 0:
            marks.append(line(LEFT, up.at(tick), width - RIGHT, up.at(tick), "grid"))
            marks.append(text(LEFT - 8, up.at(tick) + 4, count(int(tick)), anchor="end"))
    return marks
