"""What a decision is made of, from the shown row's trace: waiting, pre-processing, engine, post-processing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....inspection.statistics.quantile import quantile
from ...timing.measurement import Measurement
from ..charts.svg import Scale, element, line, picture, text, text_width_px, tooltip
from ..page import HALF_PX, Page, Section, both
from ..wording import count, ms, percent

_SLOW_SHARE = 0.01

_HTML = """
<section>
<h2>What a decision is made of</h2>
<p class="intro">{{ row.name }}{{ " at line rate" if on_belt }}. Waiting: from when a frame was due until work on it began.</p>
<div class="columns charts">
<div>
{{ chart(chart_of_parts) }}
</div>
<div>
<table class="plain parts">
<thead><tr><th scope="col">Part</th><th scope="col">Typical</th><th scope="col">1 in 100</th><th scope="col">Slowest</th><th scope="col">Of all time</th></tr></thead>
<tbody>
{% for each in part_rows %}
<tr><th scope="row">{% if each.kind != "none" %}<i class="segment-key {{ each.kind }}"></i> {% endif %}{{ each.name }}</th><td>{{ each.typical }}</td><td>{{ each.slow }}</td><td>{{ each.slowest }}</td><td>{{ each.share }}</td></tr>
{% endfor %}
</tbody>
</table>
<p class="caption">Each column is taken part by part: a frame is rarely slow in all of them, so columns do not add up.</p>
</div>
</div>
</section>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    """One part in numbers; all texts.

    Attributes:
        name: Of the part.
        kind: A class of the style sheet.
        typical: Median.
        slow: 99th percentile.
        slowest: Largest.
        share: Of the time of all decisions.
    """

    name: str
    kind: str
    typical: str
    slow: str
    slowest: str
    share: str


def part_rows(measurement: Measurement) -> list[PartRow]:
    """Give each part of the judged frames' decisions, and the whole of it last; at least one judged frame.

    Percentiles of parts do not add up to those of the whole: a frame is rarely slow in all of them.
    """
    parts, whole = _parts_ms(measurement), measurement.response_ns / 1e6
    total = float(whole.sum()) or 1.0
    rows = [*parts, ("whole decision", "none", whole)]
    return [
        PartRow(
            name=name,
            kind=kind,
            typical=ms(quantile(times, 0.5)),
            slow=ms(quantile(times, 0.99)),
            slowest=ms(float(times.max())),
            share=percent(float(times.sum()) / total),
        )
        for name, kind, times in rows
    ]


def made_of(measurement: Measurement) -> list[Made]:
    """Take typical frames (the middle tenth), slow ones (the slowest in a hundred) and the slowest apart."""
    parts, order = _parts_ms(measurement), np.argsort(measurement.response_ns, kind="stable")
    tenth, slow = max(1, order.size // 10), max(1, round(_SLOW_SHARE * order.size))
    start = (order.size - tenth) // 2
    groups = [("Typical frames", order[start : start + tenth])]
    if slow > 1:
        groups.append((f"The {count(slow)} slowest, on average", order[-slow:]))
    groups.append(("The slowest frame", order[-1:]))
    return [
        Made(name=name, parts_ms=tuple((part, kind, float(times[chosen].mean())) for part, kind, times in parts))
        for name, chosen in groups
    ]


def _parts_ms(measurement: Measurement) -> list[tuple[str, str, NDArray[np.float64]]]:
    """Give the judged frames' times of each part in ms, in the order of time."""
    marks = (
        measurement.scheduled_ns,
        measurement.started_ns,
        measurement.engine_start_ns,
        measurement.engine_end_ns,
        measurement.decided_ns,
    )
    names = (("waiting", "wait"), ("pre-processing", "pre"), ("engine", "engine"), ("post-processing", "post"))
    return [
        (name, kind, (end - begin)[measurement.warmup :] / 1e6)
        for (name, kind), begin, end in zip(names, marks[:-1], marks[1:], strict=True)
    ]


def _show(page: Page) -> dict[str, Any] | None:
    trace, deadline_ms = page.trace, page.report.budget.deadline_ms
    if trace is None:
        return None
    bars = made_of(trace)
    return {
        "chart_of_parts": both(lambda width: parts_chart(bars, deadline_ms=deadline_ms, width=width), wide_px=HALF_PX),
        "part_rows": part_rows(trace),
        "on_belt": trace.mode == "belt",
    }


_ROW, _BAR = 50.0, 22.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a frame's decision, or that of several alike, was made of.

    Attributes:
        name: Which frames.
        parts_ms: (name, kind of the style sheet, mean length in ms) in the order of time.
    """

    name: str
    parts_ms: tuple[tuple[str, str, float], ...]

    @property
    def total_ms(self) -> float:
        """From due to decided."""
        return sum(length for _, _, length in self.parts_ms)


def parts_chart(bars: Sequence[Made], *, deadline_ms: float, width: float) -> str:
    """Draw the bars on one scale, which ends at the slowest; the deadline is drawn where it lies on it.

    Args:
        bars: At least one.
        deadline_ms: Drawn as a line if it is at most twice as far as the longest bar.
        width: Pixels.
    """
    longest = max(each.total_ms for each in bars)
    high = 1.05 * deadline_ms if longest < deadline_ms <= 2 * longest else 1.02 * longest
    scale = Scale(low=0, high=max(high, 1e-6), start=1, end=width - 1)
    floor = _ROW * len(bars) + 6
    drawn = [_bar(each, row * _ROW, scale) for row, each in enumerate(bars)]
    if deadline_ms <= scale.high:
        drawn.append(line(scale.at(deadline_ms), 0, scale.at(deadline_ms), floor, "deadline"))
    label_text = "; ".join(f"{each.name} {ms(each.total_ms)}" for each in bars)
    return picture(width, floor + 24, *drawn, *_axis(scale, floor), label=f"Parts of a decision: {label_text}")


def _bar(made: Made, top: float, scale: Scale) -> str:
    head = text(1, top + 16, f"{made.name}: {ms(made.total_ms)}", class_="label strong")
    drawn, start_ms = [head], 0.0
    for name, kind, length_ms in made.parts_ms:
        left, right = scale.at(start_ms), scale.at(start_ms + length_ms)
        start_ms += length_ms
        if length_ms <= 0:
            continue
        hint = tooltip(f"{name}: {ms(length_ms)}")
        rect = {"x": left, "y": top + 24, "width": max(right - left - 1, 0.75), "height": _BAR}
        drawn.append(element("rect", hint, **rect, class_=f"segment {kind}"))
        if text_width_px(name) < right - left - 8:
            drawn.append(text((left + right) / 2, top + 39, name, anchor="middle", class_=f"on-{kind}"))
    return "".join(drawn)


def _axis(scale: Scale, floor: float) -> list[str]:
    marks = [line(scale.start, floor, scale.end, floor, "axis")]
    for tick in scale.ticks(8 if scale.end > 500 else 4):
        x = scale.at(tick)
        anchor = "start" if tick == 0 else "middle" if x < scale.end - 24 else "end"
        marks.append(line(x, floor, x, floor + 5, "axis"))
        marks.append(text(x, floor + 19, f"{tick:g}\u00a0ms", anchor=anchor))
    return marks


SECTION = Section(name="parts", order=40, show=_show, html=_HTML)
