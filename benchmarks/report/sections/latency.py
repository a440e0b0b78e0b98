"""How long decisions take: how often each time occurred, how many are slower, and the run in its order."""

from __future__ import annotations

from typing import Any

from ..charts.histogram import latency_histogram
from ..charts.over_run import latency_over_run
from ..charts.tail import Curve, latency_tail
from ..page import HALF_PX, Chart, Page, Section, both

_HTML = """
<section>
<h2>How long decisions take</h2>
<div class="columns charts">
{% if histogram %}
<div>
<h3>How often each time occurred</h3>
{{ chart(histogram) }}
<p class="caption">{{ row.name }}: each bar says how many of {{ row.latency_ms.frames|plural("frame") if row.latency_ms else "the frames" }} took so long{{ ", counted from the moment the frame was due" if on_belt }}. Both scales grow tenfold step by step, so that even a single slow frame is seen.</p>
</div>
{% endif %}
{% if tail %}
<div>
<h3>How many are slower than a given time</h3>
{{ chart(tail) }}
<p class="caption">A curve must stay out of the shaded corner: more than {{ report.budget.miss_max|percent }} of decisions later than the deadline. Numbers as in the table of all models; {{ row.name }} is drawn strong. Dashed: with {{ report.budget.confidence|percent }} confidence no more are slower, at any one time.</p>
</div>
{% endif %}
</div>
{% if over_run %}
<h3>The run from first to last frame</h3>
{{ chart(over_run) }}
<p class="caption">Line: typical time of neighbouring frames. Band: their fastest to slowest. Marks: late frames{{ " (none here)" if row.latency_ms and not row.latency_ms.misses }}.{% if cold_frames %} Dots: the first {{ cold_frames|plural("frame") }}, while the machine was cold; shown, but not judged.{% endif %}</p>
{% endif %}
</section>
"""


def _show(page: Page) -> dict[str, Any] | None:
    histogram, tail = _histogram(page), _tail(page)
    if histogram is None and tail is None:
        return None
    trace = page.trace
    return {
        "histogram": histogram,
        "tail": tail,
        "over_run": _over_run(page),
        "cold_frames": trace.warmup if trace else 0,
        "on_belt": trace is not None and trace.mode == "belt",
    }


def _histogram(page: Page) -> Chart | None:
    times, deadline_ms = page.response_ms, page.report.budget.deadline_ms
    if times is None:
        return None
    return both(lambda width: latency_histogram(times, deadline_ms=deadline_ms, width=width), wide_px=HALF_PX)


def _tail(page: Page) -> Chart | None:
    """Draw the tails of all rows measured at line rate; None without any."""
    curves, budget = [], page.report.budget
    for number, row in enumerate(page.report.rows, start=1):
        trace = page.traces.get(row.name)
        if trace is None or trace.mode != "belt" or not trace.response_ns.size:
            continue
        curves.append(
            Curve(
                number=number,
                name=row.name,
                response_ms=trace.response_ns / 1e6,
                emphasised=row.name == page.row.name,
                burst_frames=row.latency_ms.burst_frames if row.latency_ms else 1,
            )
        )
    if not curves:
        return None
    return both(
        lambda width: latency_tail(
            curves,
            deadline_ms=budget.deadline_ms,
            miss_max=budget.miss_max,
            confidence=budget.confidence,
            width=width,
        ),
        wide_px=HALF_PX,
    )


def _over_run(page: Page) -> Chart | None:
    """Draw the shown row's run in its order, cold frames first; None without its trace."""
    trace, deadline_ms = page.traces.get(page.row.name), page.report.budget.deadline_ms
    if trace is None or not trace.decided_ns.size:
        return None
    times, warmup = (trace.decided_ns - trace.scheduled_ns) / 1e6, trace.warmup
    return both(lambda width: latency_over_run(times, warmup=warmup, deadline_ms=deadline_ms, width=width))


SECTION = Section(name="latency", order=30, show=_show, html=_HTML)
