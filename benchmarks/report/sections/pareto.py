"""Quality against speed, every model tried."""

from __future__ import annotations

from typing import Any

from ..charts.pareto import Point, pareto_chart
from ..decision import decided_one_by_one, typical_ms
from ..page import Page, Section, both
from ..schema import Report, Row

_HTML = """
<section>
<h2>Quality against speed</h2>
<p class="intro">Every model tried. Further left is faster, further up sorts better; no other model beats one on the stepped line in both.</p>
{{ chart(pareto) }}
<ul class="legend">
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><circle cx="7" cy="7" r="5" class="mark-fits"/></svg>fits</li>
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><circle cx="7" cy="7" r="5" class="mark-inconclusive"/></svg>not proven</li>
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><path d="M2.5 2.5l9 9M11.5 2.5l-9 9" class="cross"/></svg>misses</li>
{% if report.selected %}<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><circle cx="7" cy="7" r="6" class="ring"/></svg>selected</li>{% endif %}
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><path d="M7 1v12" class="whisker"/></svg>95 % interval of AUROC</li>
</ul>
</section>
"""


def _show(page: Page) -> dict[str, Any] | None:
    report = page.report
    one_by_one = decided_one_by_one(report.rows)
    title = f"typical time {'of one decision' if one_by_one else 'from frame to decision'}, ms"
    found = [_point(number, row, report, one_by_one=one_by_one) for number, row in enumerate(report.rows, start=1)]
    points = [point for point in found if point is not None]
    if not points:
        return None
    deadline_ms = report.budget.deadline_ms
    return {"pareto": both(lambda width: pareto_chart(points, deadline_ms=deadline_ms, width=width, title=title))}


def _point(number: int, row: Row, report: Report, *, one_by_one: bool) -> Point | None:
    time_ms = typical_ms(row, one_by_one=one_by_one)
    if row.quality is None or row.quality.auroc is None or not time_ms:
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
    )


SECTION = Section(name="pareto", order=70, show=_show, html=_HTML)
