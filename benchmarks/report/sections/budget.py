"""Where the milliseconds go between the camera and the ejector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..charts.svg import Scale, element, line, picture, text, text_width_px, tooltip
from ..decision import shown_row
from ..page import Chart, Page, Section, both
from ..schema import Report, Row
from ..wording import ms

_WORTH_SHOWING = 0.02

_HTML = """
<section class="on-screen">
<h2>Where the milliseconds go</h2>
<p class="intro">From the moment the frame is taken until the part is at the ejector: {{ report.budget.total_ms|ms }}.
{{ "The fixed times are drawn first, wherever they fall." if report.budget.fixed_parts_ms }}
“Slow frames”: what all but the slowest 1 in {{ row.latency_ms.slowest_one_in|count }} need on top of a typical frame.</p>
{{ chart(budget.chart) }}
<ul class="legend">
{% for part in budget.parts %}<li><i class="segment-key {{ part.kind }}"></i>{{ part.name }} <b>{{ part.length_ms|ms }}</b></li>
{% endfor %}</ul>
</section>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetFigure:
    """The budget bar and its legend."""

    chart: Chart
    parts: tuple[Segment, ...]


def budget_figure(report: Report) -> BudgetFigure | None:
    """Draw where the shown row's milliseconds go; None where it was not measured."""
    row = shown_row(report)
    if row.latency_ms is None:
        return None
    parts = segments(
        report.budget.fixed_parts_ms,
        _work(row),
        slowest_ms=row.latency_ms.slowest_known,
        deadline_ms=report.budget.deadline_ms,
    )
    budget = report.budget
    chart = both(lambda width: budget_bar(parts, fixed_ms=budget.fixed_ms, deadline_ms=budget.deadline_ms, width=width))
    return BudgetFigure(chart=chart, parts=tuple(parts))


def _work(row: Row) -> list[tuple[str, str, float]]:
    """Split the typical decision into its parts, as far as they were timed; what they do not explain is waiting.

    The engine's time at line rate counts, where it was timed: between two parts a processor slows down and its
    caches are used by others, so it is longer than back to back.
    """
    latency = row.latency_ms
    if latency is None:
        return []
    engine_ms = latency.engine or (row.engine_ms.p50 if row.engine_ms else None)
    if engine_ms is None:
        return [("decision", "engine", latency.p50)]
    parts = [("pre-processing", "pre", latency.pre or 0.0), ("engine", "engine", engine_ms)]
    parts.append(("post-processing", "post", latency.post or 0.0))
    waiting_ms = latency.p50 - sum(length for _, _, length in parts)
    return parts if waiting_ms < _WORTH_SHOWING * latency.p50 else [("waiting", "wait", waiting_ms), *parts]


def _show(page: Page) -> dict[str, Any] | None:
    figure = budget_figure(page.report)
    return None if figure is None else {"budget": figure}


_BAR_TOP, _BAR_HEIGHT = 34.0, 44.0
_MARGIN = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of time.

    Attributes:
        name: What passes.
        start_ms: After the trigger.
        length_ms: >= 0.
        kind: A class of the style sheet: `fixed`, `wait`, `pre`, `engine`, `post`, `tail`, `over` or `slack`.
    """

    name: str
    start_ms: float
    length_ms: float
    kind: str


def segments(
    fixed_ms: dict[str, float], work_ms: Sequence[tuple[str, str, float]], *, slowest_ms: float, deadline_ms: float
) -> list[Segment]:
    """Lay the times end to end: fixed times, the model's own work, its slow frames, then what is left or too much.

    Args:
        fixed_ms: Fixed times by name.
        work_ms: (name, kind, typical length in ms) of the model's parts, in their order.
        slowest_ms: The slowest frame to reckon with, from due to decided.
        deadline_ms: What is left for the model.

    >>> found = segments({"plc": 5}, [("engine", "engine", 3)], slowest_ms=4, deadline_ms=10)
    >>> [(part.name, part.start_ms, part.length_ms) for part in found]
    [('plc', 0.0, 5), ('engine', 5.0, 3), ('slow frames', 8.0, 1), ('time to spare', 9.0, 6)]
    """
    typical_ms = sum(length for _, _, length in work_ms)
    tail_ms, end_ms = max(0, slowest_ms - typical_ms), max(slowest_ms, typical_ms)
    late_ms = min(tail_ms, max(0, end_ms - deadline_ms))
    parts = [(name, "fixed", length) for name, length in fixed_ms.items()]
    parts += [*work_ms, ("slow frames", "tail", tail_ms - late_ms), ("too late", "over", late_ms)]
    parts.append(("time to spare", "slack", max(0, deadline_ms - end_ms)))
    result, start_ms = [], 0.0
    for name, kind, length in parts:
        if length > 0:
            result.append(Segment(name=name, start_ms=start_ms, length_ms=length, kind=kind))
            start_ms += length
    return result


def budget_bar(parts: Sequence[Segment], *, fixed_ms: float, deadline_ms: float, width: float) -> str:
    """Draw the bar under its two dimension lines: the fixed times, and what they leave the model.

    Args:
        parts: At least one, end to end.
        fixed_ms: Sum of the fixed times.
        deadline_ms: What is left; the part is at the ejector `fixed_ms + deadline_ms` after the trigger.
        width: Pixels.
    """
    total_ms = fixed_ms + deadline_ms
    end_ms = max(total_ms, parts[-1].start_ms + parts[-1].length_ms)
    scale = Scale(low=0, high=end_ms, start=_MARGIN, end=width - _MARGIN)
    bottom = _BAR_TOP + _BAR_HEIGHT
    label_text = ", ".join(f"{part.name} {ms(part.length_ms)}" for part in parts)
    return picture(
        width,
        bottom + 46,
        *(_dimension(0, fixed_ms, "fixed times", scale) if fixed_ms else ()),
        *_dimension(fixed_ms, total_ms, "for the model", scale),
        *(_segment(part, scale) for part in parts),
        *_ends(total_ms, scale, bottom),
        *_axis(scale, bottom),
        label=f"Time budget of {ms(total_ms)}: {label_text}",
    )


def _dimension(start_ms: float, end_ms: float, name: str, scale: Scale) -> list[str]:
    """Draw a dimension line as in a technical drawing, named as far as there is room."""
    left, right, y = scale.at(start_ms), scale.at(end_ms), 20.0
    drawn = [line(left, y, right, y, "axis")]
    drawn += [line(x, y - 6, x, _BAR_TOP, "deadline") for x in (left, right)]
    for label_text in (f"{name} {ms(end_ms - start_ms)}", ms(end_ms - start_ms)):
        if text_width_px(label_text) < right - left:
            return [*drawn, text((left + right) / 2, y - 7, label_text, anchor="middle", class_="label strong")]
    return drawn


def _segment(part: Segment, scale: Scale) -> str:
    left = scale.at(part.start_ms)
    wide = scale.at(part.start_ms + part.length_ms) - left
    hint = tooltip(f"{part.name}: {ms(part.length_ms)}")
    length = max(wide - 1, 0.75)
    bar = element("rect", hint, x=left, y=_BAR_TOP, width=length, height=_BAR_HEIGHT, class_=f"segment {part.kind}")
    room = wide - 8
    if text_width_px(part.name) > room:
        return bar
    middle = left + wide / 2
    if text_width_px(ms(part.length_ms)) > room:
        return bar + text(middle, _BAR_TOP + 27, part.name, anchor="middle", class_=f"on-{part.kind}")
    name = text(middle, _BAR_TOP + 19, part.name, anchor="middle", class_=f"on-{part.kind}")
    return (
        bar + name + text(middle, _BAR_TOP + 35, ms(part.length_ms), anchor="middle", class_=f"on-{part.kind} strong")
    )


def _ends(total_ms: float, scale: Scale, bottom: float) -> list[str]:
    ejector = scale.at(total_ms)
    return [
        line(scale.start, _BAR_TOP, scale.start, bottom + 9, "deadline"),
        line(ejector, _BAR_TOP, ejector, bottom + 9, "deadline"),
        text(scale.start, bottom + 41, "frame is taken", class_="label muted"),
        text(ejector, bottom + 41, "part at the ejector", anchor="end", class_="label muted"),
    ]


def _axis(scale: Scale, bottom: float) -> list[str]:
    marks = []
    for tick in scale.ticks(8 if scale.end > 500 else 4):
        x = scale.at(tick)
        anchor = "start" if tick == 0 else "middle" if x < scale.end - 20 else "end"
        marks.append(line(x, bottom + 4, x, bottom + 9, "axis"))
        marks.append(text(x, bottom + 24, f"{tick:g}\u00a0ms", anchor=anchor))
    return marks


SECTION = Section(name="budget", order=20, show=_show, html=_HTML)
