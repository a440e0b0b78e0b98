"""What a decision is made of, from the shown row's trace: waiting, pre-processing, engine, post-processing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....inspection.statistics.quantile import quantile
from ...timing.measurement import Measurement
from ..charts.parts import Made, parts_chart
from ..page import HALF_PX, Page, Section, both
from ..wording import count, ms, percent

_SLOW_SHARE = 0.01

_HTML = """
<section>
<h2>What a decision is made of</h2>
<p class="intro">{{ row.name }}{{ " at the belt’s pace" if on_belt }}. Waiting: from when a frame was due until work on it began.</p>
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


SECTION = Section(name="parts", order=40, show=_show, html=_HTML)
