"""`report --format html`: the page. The run's own, if it was drawn from this very report; else drawn anew.

The run's own shows photographs of what was decided wrongly; they are not in report.json, so a page drawn anew has none.
"""

from __future__ import annotations

from ..decision import shown_row
from ..files import soak_of, traces_of
from ..finished import FinishedReport, Format
from ..render import drawn_from, render_report

_LARGEST_BYTES = 16 << 20


def _render(finished: FinishedReport) -> str:
    folder, row, page = finished.path.parent, shown_row(finished.report), finished.path.with_name("report.html")
    traces = traces_of(folder, (each.name for each in finished.report.rows))
    artifact_digest = traces[row.name].artifact_digest if row.name in traces else None
    soak = soak_of(folder, (row.name, row.model_name), artifact_digest=artifact_digest)
    if page.is_file() and page.stat().st_size <= _LARGEST_BYTES:
        text = page.read_text("utf-8", errors="replace")
        if drawn_from(text, finished.content, soak):
            return text
    return render_report(finished.content, traces=traces, soak=soak)


FORMAT = Format(name="html", suffix=".html", render=_render)
