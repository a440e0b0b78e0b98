"""Where the milliseconds go between the camera and the ejector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..charts.budget import Segment, budget_bar, segments
from ..decision import shown_row
from ..page import Chart, Page, Section, both
from ..schema import Report, Row

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


SECTION = Section(name="budget", order=20, show=_show, html=_HTML)
