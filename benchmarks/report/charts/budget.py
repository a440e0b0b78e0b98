"""The budget bar: where the milliseconds go between the camera and the ejector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..wording import ms
from .svg import Scale, element, line, picture, text, text_width_px, tooltip

_BAR_TOP, _BAR_HEIGHT = 30.0, 44.0
_MARGIN = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of time.

    Attributes:
        name: What passes.
        start_ms: After the trigger.
        length_ms: >= 0.
        kind: A class of the style sheet: `fixed`, `pre`, `engine`, `post`, `tail`, `slack` or `over`.
    """

    name: str
    start_ms: float
    length_ms: float
    kind: str


def segments(
    fixed_ms: dict[str, float], work_ms: Sequence[tuple[str, str, float]], *, slowest_ms: float, deadline_ms: float
) -> list[Segment]:
    """Lay the times end to end: fixed times, the model's own work, its slow frames, then the slack or the overrun.

    Args:
        fixed_ms: Fixed times by name.
        work_ms: (name, kind, typical length in ms) of the model's parts, in their order.
        slowest_ms: The slowest frame to reckon with, from due to decided.
        deadline_ms: What is left for the model.

    >>> [(s.name, s.start_ms, s.length_ms) for s in segments({"plc": 5}, [("engine", "engine", 3)], slowest_ms=4,
    ...                                                     deadline_ms=10)]
    [('plc', 0.0, 5), ('engine', 5.0, 3), ('slow frames', 8.0, 1), ('slack', 9.0, 6)]
    """
    typical_ms = sum(length for _, _, length in work_ms)
    tail_ms, end_ms = max(0, slowest_ms - typical_ms), max(slowest_ms, typical_ms)
    late_ms = min(tail_ms, max(0, end_ms - deadline_ms))
    parts = [(name, "fixed", length) for name, length in fixed_ms.items()]
    parts += [*work_ms, ("slow frames", "tail", tail_ms - late_ms), ("too late", "over", late_ms)]
    parts.append(("slack", "slack", max(0, deadline_ms - end_ms)))
    result, start_ms = [], 0.0
    for name, kind, length in parts:
        if length > 0:
            result.append(Segment(name=name, start_ms=start_ms, length_ms=length, kind=kind))
            start_ms += length
    return result


def budget_bar(parts: Sequence[Segment], *, total_ms: float, width: float) -> str:
    """Draw the bar with a mark where the part reaches the ejector, `total_ms` after the trigger."""
    end_ms = max(total_ms, parts[-1].start_ms + parts[-1].length_ms)
    scale = Scale(low=0, high=end_ms, start=_MARGIN, end=width - _MARGIN)
    bottom = _BAR_TOP + _BAR_HEIGHT
    ejector = scale.at(total_ms)
    said = ", ".join(f"{part.name} {ms(part.length_ms)}" for part in parts)
    return picture(
        width,
        bottom + 34,
        text(_MARGIN, 16, "frame is taken", class_="label strong"),
        text(ejector, 16, "part at the ejector", anchor="end", class_="label strong"),
        *(_segment(part, scale) for part in parts),
        line(_MARGIN, 20, _MARGIN, bottom + 6, "deadline"),
        line(ejector, 20, ejector, bottom + 6, "deadline"),
        *_axis(scale, bottom),
        label=f"Time budget of {ms(total_ms)}: {said}",
    )


def _segment(part: Segment, scale: Scale) -> str:
    left = scale.at(part.start_ms)
    wide = scale.at(part.start_ms + part.length_ms) - left
    bar = element(
        "rect",
        tooltip(f"{part.name}: {ms(part.length_ms)}"),
        x=left,
        y=_BAR_TOP,
        width=max(wide - 1, 0.75),
        height=_BAR_HEIGHT,
        class_=f"segment {part.kind}",
    )
    if text_width_px(part.name) + 8 > wide:
        return bar
    middle = left + wide / 2
    name = text(middle, _BAR_TOP + 19, part.name, anchor="middle", class_=f"on-{part.kind}")
    if text_width_px(ms(part.length_ms)) + 8 > wide:
        return bar + name
    return (
        bar + name + text(middle, _BAR_TOP + 35, ms(part.length_ms), anchor="middle", class_=f"on-{part.kind} strong")
    )


def _axis(scale: Scale, bottom: float) -> list[str]:
    marks = []
    for tick in scale.ticks(8 if scale.end > 500 else 4):
        anchor = "start" if tick == 0 else "middle" if scale.at(tick) < scale.end - 20 else "end"
        marks.append(line(scale.at(tick), bottom + 4, scale.at(tick), bottom + 9, "axis"))
        marks.append(text(scale.at(tick), bottom + 24, ms(tick) if tick == 0 else f"{tick:g}\u00a0ms", anchor=anchor))
    return marks
