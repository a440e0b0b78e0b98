"""`report --format html`: the page. The run's own, if it was drawn from this very report; else drawn anew.

The run's own shows photographs of what was decided wrongly; they are not in report.json, so a page drawn anew has none.
"""

from __future__ import annotations

from ..finished import FinishedReport, Format, page_of
from ..render import drawn_from, render_report

_LARGEST_BYTES = 16 << 20


def _render(finished: FinishedReport) -> str:
    drawn, file = page_of(finished), finished.path.with_name("report.html")
    if file.is_file() and file.stat().st_size <= _LARGEST_BYTES:
        text = file.read_text("utf-8", errors="replace")
        if drawn_from(text, finished.content, drawn.soak):
            return text
    return render_report(finished.content, traces=drawn.traces, soak=drawn.soak)


FORMAT = Format(name="html", suffix=".html", render=_render)
