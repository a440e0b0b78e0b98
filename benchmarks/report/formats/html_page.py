"""`report --format html`: the page. The run's own, if it was drawn from this very report; else drawn anew.

The run's own shows photographs of what was decided wrongly; they are not in report.json, so a page drawn anew has none.
"""

from __future__ import annotations

from ..files import traces_of
from ..finished import FinishedReport, Format
from ..render import drawn_from, render_report

_LARGEST_BYTES = 16 << 20


def _render(finished: FinishedReport) -> str:
    page = finished.path.with_name("report.html")
    if page.is_file() and page.stat().st_size <= _LARGEST_BYTES:
        text = page.read_text("utf-8", errors="replace")
        if drawn_from(text, finished.content):
            return text
    traces = traces_of(finished.path.parent, (row.name for row in finished.report.rows))
    return render_report(finished.content, traces=traces)


FORMAT = Format(name="html", suffix=".html", render=_render)
