"""Which share of frames is slower than each time, against the gate: the tail that a histogram hides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....inspection.statistics.bounds import rate_upper
from ....inspection.statistics.quantile import quantile
from ..wording import ms, percent
from .axes import LEFT, RIGHT, time_axis, time_scale
from .svg import FONT_PX, Box, Scale, element, line, path, picture, text, text_width_px, tooltip

_CURVE_POINTS = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One row's response times in ms, in any order.

    Attributes:
        number: Its place in the table.
        name: Of the row.
        response_ms: At least one.
        emphasised: Whether it is the row shown; its upper bound is drawn too.
        burst_frames: Up to so many frames in a row count as one; see `benchmarks.proof`.
    """

    number: int
    name: str
    response_ms: NDArray[np.float64]
    emphasised: bool = False
    burst_frames: int = 1


def latency_tail(
    curves: Sequence[Curve], *, deadline_ms: float, miss_max: float, confidence: float, width: float
) -> str:
    """Draw which share of frames is slower than each time; the shaded corner breaks the line's gate.

    For the row shown a dashed curve says how large that share may truly be, at each time taken alone: to hold the gate
    it must pass below the corner. It ends level, since no run shows that slower frames never come.

    Args:
        curves: At least one; each with at least one time.
        deadline_ms: Where the corner begins on the time axis.
        miss_max: Where the corner begins on the share axis, in (0, 1).
        confidence: Of the bound, in (0, 1).
        width: Pixels.
    """
    top, floor = 36.0, 300.0
    across = time_scale(np.concatenate([curve.response_ms for curve in curves]), deadline_ms, width)
    most = max(len(curve.response_ms) for curve in curves)
    up = Scale(low=min(0.5 / most, miss_max / 3), high=1, start=floor, end=top, log=True)
    corner = element(
        "rect",
        tooltip(f"more than {percent(miss_max)} later than {ms(deadline_ms)}: the gate is missed"),
        x=across.at(deadline_ms),
        y=top,
        width=max(0.0, across.end - across.at(deadline_ms)),
        height=up.at(miss_max) - top,
        class_="forbidden",
    )
    ordered = sorted(curves, key=lambda curve: curve.emphasised)
    return picture(
        width,
        floor + 44,
        *_share_axis(up, width),
        corner,
        line(across.at(deadline_ms), top, across.at(deadline_ms), floor, "deadline"),
        *(_bound(curve, confidence, across, up) for curve in ordered if curve.emphasised),
        *(_curve(curve, across, up) for curve in ordered),
        *_curve_names(ordered[::-1], across, top),
        line(LEFT, floor, width - RIGHT, floor, "axis"),
        *time_axis(across, floor),
        label=f"Share of frames slower than each time, for {', '.join(curve.name for curve in curves)}",
    )


def _share_axis(up: Scale, width: float) -> list[str]:
    marks = []
    for tick in up.ticks(8):
        marks.append(line(LEFT, up.at(tick), width - RIGHT, up.at(tick), "grid"))
        marks.append(text(LEFT - 8, up.at(tick) + 4, percent(tick), anchor="end"))
    return marks


def _tail_points(response_ms: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Give (time, share of frames at least as slow), dense at the slow end; the slowest frame is always there."""
    slow_first = np.sort(response_ms)[::-1]
    ranks = np.unique(np.geomspace(1, len(slow_first), _CURVE_POINTS).astype(np.int64))[::-1]
    return [(float(slow_first[rank - 1]), float(rank / len(slow_first))) for rank in ranks]


def _curve(curve: Curve, across: Scale, up: Scale) -> str:
    points = [(across.at(time), up.at(share)) for time, share in _tail_points(curve.response_ms)]
    points.append((points[-1][0], up.start))
    steps = [points[0]]
    for x, y in points[1:]:
        steps += [(x, steps[-1][1]), (x, y)]
    drawn = path(steps, "curve chosen" if curve.emphasised else "curve")
    return element("g", tooltip(f"{curve.number} {curve.name}"), drawn)


def _bound(curve: Curve, confidence: float, across: Scale, up: Scale) -> str:
    """Draw the upper bound of the share slower than each time (Clopper and Pearson 1934), one time at a time."""
    trials = len(curve.response_ms) // curve.burst_frames
    if not trials:
        return ""
    counts = [(time, round(share * len(curve.response_ms))) for time, share in _tail_points(curve.response_ms)]
    steps = [(across.start, up.at(1.0))]
    for time, count in [*counts, (counts[-1][0], 0)]:
        events = min(trials, -(-count // curve.burst_frames))
        height = up.at(rate_upper(events, trials, confidence=confidence))
        steps += [(across.at(time), steps[-1][1]), (across.at(time), height)]
    hint = tooltip(f"{curve.name}: with {percent(confidence)} confidence no more are slower")
    return element("g", hint, path([*steps, (across.end, steps[-1][1])], "bound"))


def _curve_names(curves: Sequence[Curve], across: Scale, top: float) -> list[str]:
    """Write each curve's number above its typical time; one that would run into another moves up or is left out."""
    room = Box(left=across.start, top=0, right=across.end, bottom=top)
    taken: list[Box] = []
    drawn = []
    for curve in curves:
        label_text, x = str(curve.number), across.at(quantile(curve.response_ms, 0.5))
        wide = text_width_px(label_text)
        rows = (
            Box(left=x - wide / 2, top=y, right=x + wide / 2 + 2, bottom=y + FONT_PX + 1) for y in (top - 17, top - 30)
        )
        box = next((each for each in rows if not any(each.overlaps(other) for other in taken)), None)
        if box is not None and box.within(room):
            taken.append(box)
            weight = "label strong" if curve.emphasised else "label muted"
            drawn.append(text(x, box.bottom - 2, label_text, anchor="middle", class_=weight))
    return drawn
