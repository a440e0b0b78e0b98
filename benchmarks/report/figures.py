"""The page's charts: chosen from the report and its traces, each drawn wide and narrow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..soak.schema import SoakSummary
from ..timing.measurement import Measurement
from .charts.belt_speed import belt_speed_chart
from .charts.budget import Segment, budget_bar, segments
from .charts.histogram import latency_histogram
from .charts.over_run import latency_over_run
from .charts.pareto import Point, pareto_chart
from .charts.parts import parts_chart
from .charts.soak import soak_chart
from .charts.tail import Curve, latency_tail
from .decision import decided_one_by_one, shown_row, typical_ms
from .parts import PartRow, made_of, part_rows
from .schema import Report, Row
from .search_part import search_points

_WORTH_SHOWING = 0.02
_WIDE_PX, _HALF_PX, _NARROW_PX = 1040.0, 510.0, 350.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart as SVG for a wide page and for a phone; the style sheet shows one of the two."""

    wide: str
    narrow: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetFigure:
    """The budget bar and its legend."""

    chart: Chart
    parts: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsFigure:
    """What decisions are made of: the bars, and the table beside them."""

    chart: Chart
    rows: tuple[PartRow, ...]


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
    chart = _both(
        lambda width: budget_bar(parts, fixed_ms=budget.fixed_ms, deadline_ms=budget.deadline_ms, width=width)
    )
    return BudgetFigure(chart=chart, parts=tuple(parts))


def pareto_figure(report: Report) -> Chart | None:
    """Draw quality against latency; None where no row has both."""
    one_by_one = decided_one_by_one(report.rows)
    title = f"typical time {'of one decision' if one_by_one else 'from frame to decision'}, ms"
    found = [_point(number, row, report, one_by_one) for number, row in enumerate(report.rows, start=1)]
    points = [point for point in found if point is not None]
    if not points:
        return None
    deadline_ms = report.budget.deadline_ms
    return _both(lambda width: pareto_chart(points, deadline_ms=deadline_ms, width=width, title=title))


def search_figure(report: Report) -> Chart | None:
    """Draw the trials of the search: what was caught on val against the time in the engine; None without a search."""
    points = search_points(report.search) if report.search else []
    if not points:
        return None
    title, deadline_ms = "99 % of frames within, engine alone, ms", report.budget.deadline_ms
    return _both(
        lambda width: pareto_chart(points, deadline_ms=deadline_ms, width=width, title=title, quality="caught")
    )


def histogram_figure(report: Report, traces: Mapping[str, Measurement]) -> Chart | None:
    """Draw the shown row's response times; None without its trace."""
    times = _response_ms(traces.get(shown_row(report).name))
    if times is None:
        return None
    return _both(
        lambda width: latency_histogram(times, deadline_ms=report.budget.deadline_ms, width=width), wide_px=_HALF_PX
    )


def tail_figure(report: Report, traces: Mapping[str, Measurement]) -> Chart | None:
    """Draw the tails of all rows measured at line rate; None without any."""
    shown = shown_row(report).name
    curves = []
    for number, row in enumerate(report.rows, start=1):
        trace = traces.get(row.name)
        times = _response_ms(trace)
        if times is not None and trace is not None and trace.mode == "belt":
            burst = row.latency_ms.burst_frames if row.latency_ms else 1
            emphasised = row.name == shown
            curves.append(
                Curve(number=number, name=row.name, response_ms=times, emphasised=emphasised, burst_frames=burst)
            )
    if not curves:
        return None
    budget = report.budget
    return _both(
        lambda width: latency_tail(
            curves,
            deadline_ms=budget.deadline_ms,
            miss_max=budget.miss_max,
            confidence=budget.confidence,
            width=width,
        ),
        wide_px=_HALF_PX,
    )


def over_run_figure(report: Report, traces: Mapping[str, Measurement]) -> Chart | None:
    """Draw the shown row's run in its order, cold frames first; None without its trace."""
    trace = traces.get(shown_row(report).name)
    if trace is None or not len(trace.decided_ns):
        return None
    times = (trace.decided_ns - trace.scheduled_ns) / 1e6
    deadline_ms = report.budget.deadline_ms
    return _both(lambda width: latency_over_run(times, warmup=trace.warmup, deadline_ms=deadline_ms, width=width))


def parts_figure(report: Report, traces: Mapping[str, Measurement]) -> PartsFigure | None:
    """Draw what the shown row's decisions are made of; None without its trace."""
    trace = traces.get(shown_row(report).name)
    if trace is None or not len(trace.response_ns):
        return None
    bars, deadline_ms = made_of(trace), report.budget.deadline_ms
    chart = _both(lambda width: parts_chart(bars, deadline_ms=deadline_ms, width=width), wide_px=_HALF_PX)
    return PartsFigure(chart=chart, rows=tuple(part_rows(trace)))


def belt_speed_figure(report: Report) -> Chart | None:
    """Draw the shown row's line at other speeds; None where that was not predicted."""
    what_if = shown_row(report).what_if
    return None if what_if is None else _both(lambda width: belt_speed_chart(what_if, width=width))


def soak_figure(soak: SoakSummary) -> Chart:
    """Draw a soak over its whole length."""
    return _both(lambda width: soak_chart(soak, width=width))


def _both(draw: Callable[[float], str], *, wide_px: float = _WIDE_PX) -> Chart:
    return Chart(wide=draw(wide_px), narrow=draw(_NARROW_PX))


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
    parts = [("pre-processing", "pre", latency.pre_ms), ("engine", "engine", engine_ms)]
    parts.append(("post-processing", "post", latency.post_ms))
    waiting_ms = latency.p50 - sum(length for _, _, length in parts)
    return parts if waiting_ms < _WORTH_SHOWING * latency.p50 else [("waiting", "wait", waiting_ms), *parts]


def _point(number: int, row: Row, report: Report, one_by_one: bool) -> Point | None:
    time_ms = typical_ms(row, one_by_one=one_by_one)
    if row.quality is None or not time_ms:
        return None
    low, high = row.quality.auroc_interval
    return Point(
        number=number,
        name=row.name,
        latency_ms=time_ms,
        auroc=row.quality.auroc,
        interval=(low, high),
        verdict=row.verdict,
        selected=row.name == report.selected,
        predicted=row.predicted,
    )


def _response_ms(trace: Measurement | None) -> NDArray[np.float64] | None:
    if trace is None or not len(trace.response_ns):
        return None
    return np.asarray(trace.response_ns / 1e6, np.float64)
