"""A run in its order: drift, stalls, late frames and the cold ones at its beginning."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..wording import count, ms, plural
from .axes import LEFT, RIGHT
from .svg import Scale, element, line, path, picture, text, tooltip

_BUCKETS = 160


def latency_over_run(response_ms: NDArray[np.float64], *, warmup: int, deadline_ms: float, width: float) -> str:
    """Draw the run in its order: the median of neighbouring frames as a line, fastest to slowest as a band.

    Judged frames that are late stand out as marks, of very many neighbours only the slowest.

    Args:
        response_ms: Shape `[frames]`, cold frames included, at least one.
        warmup: The first so many are cold: drawn apart, as dots.
        deadline_ms: Drawn as a line.
        width: Pixels.
    """
    top, floor = 18.0, 180.0
    low, high = 0.8 * float(response_ms.min()), 1.25 * max(deadline_ms, float(response_ms.max()))
    up = Scale(low=max(low, high / 1e5), high=high, start=floor, end=top, log=True)
    along = Scale(low=0, high=len(response_ms), start=LEFT, end=width - RIGHT)
    limit = up.at(deadline_ms)
    return picture(
        width,
        floor + 44,
        *_over_run_axes(up, along, floor, width),
        line(LEFT, limit, width - RIGHT, limit, "deadline"),
        text(width - RIGHT, limit - 5, f"deadline {ms(deadline_ms)}", anchor="end", class_="label strong"),
        *_band(response_ms, warmup, along, up),
        *_cold(response_ms[:warmup], along, up),
        *_late(response_ms, warmup, deadline_ms, along, up),
        label=_description(response_ms, warmup, deadline_ms),
    )


def _over_run_axes(up: Scale, along: Scale, floor: float, width: float) -> list[str]:
    marks = [text((along.start + along.end) / 2, floor + 38, "frame", anchor="middle", class_="label muted")]
    for tick in up.ticks(5):
        marks.append(line(LEFT, up.at(tick), width - RIGHT, up.at(tick), "grid"))
        marks.append(text(LEFT - 8, up.at(tick) + 4, f"{tick:g}\u00a0ms", anchor="end"))
    frames = along.ticks(6 if width > 500 else 3)
    marks.extend(text(along.at(tick), floor + 19, count(int(tick)), anchor="middle") for tick in frames)
    marks.append(line(LEFT, floor, width - RIGHT, floor, "axis"))
    return marks


def _band(response_ms: NDArray[np.float64], warmup: int, along: Scale, up: Scale) -> list[str]:
    judged = response_ms[warmup:]
    if not len(judged):
        return []
    buckets = np.array_split(judged, min(_BUCKETS, len(judged)))
    sizes = np.cumsum([0, *(len(bucket) for bucket in buckets)])
    middles = [along.at(float(warmup + (start + end) / 2)) for start, end in pairwise(sizes)]
    highs = [(x, up.at(float(bucket.max()))) for x, bucket in zip(middles, buckets, strict=True)]
    lows = [(x, up.at(float(bucket.min()))) for x, bucket in zip(middles, buckets, strict=True)]
    medians = [(x, up.at(float(np.median(bucket)))) for x, bucket in zip(middles, buckets, strict=True)]
    return [path([*highs, *lows[::-1]], "band"), path(medians, "curve chosen")]


def _cold(response_ms: NDArray[np.float64], along: Scale, up: Scale) -> list[str]:
    """Draw a dot a frame; of very many, the fastest and the slowest of neighbouring ones."""
    chosen = set[int]()
    for bucket in np.array_split(np.arange(len(response_ms)), min(_BUCKETS, len(response_ms)) or 1):
        if len(bucket):
            times = response_ms[bucket]
            chosen |= {int(bucket[times.argmin()]), int(bucket[times.argmax()])}
    return [_dot(along.at(index + 0.5), up.at(float(response_ms[index]))) for index in sorted(chosen)]


def _late(response_ms: NDArray[np.float64], warmup: int, deadline_ms: float, along: Scale, up: Scale) -> list[str]:
    """Draw a mark a late frame; of very many, the slowest of neighbouring ones."""
    late = warmup + np.flatnonzero(response_ms[warmup:] > deadline_ms)
    marks = []
    for bucket in np.array_split(late, min(_BUCKETS, len(late)) or 1):
        if len(bucket):
            worst = int(bucket[response_ms[bucket].argmax()])
            more = f", and {plural(len(bucket) - 1, 'other')} near it" if len(bucket) > 1 else ""
            hint = tooltip(f"frame {count(worst)} late: {ms(float(response_ms[worst]))}{more}")
            x, y = along.at(worst + 0.5), up.at(float(response_ms[worst]))
            marks.append(element("circle", hint, cx=x, cy=y, r=3, class_="miss"))
    return marks


def _description(response_ms: NDArray[np.float64], warmup: int, deadline_ms: float) -> str:
    late = int((response_ms[warmup:] > deadline_ms).sum())
    frames = f"{count(len(response_ms))} frames, the first {warmup} cold"
    return f"Response time over {frames}; {count(late)} later than {ms(deadline_ms)}"


def _dot(x: float, y: float) -> str:
    return element("circle", cx=x, cy=y, r=1.8, class_="cold")
