"""From which size on defects are found: escapes by the length of the defect, in camera pixels."""

from __future__ import annotations

from typing import Any

from ..charts.escapes_by_size import escapes_by_size
from ..page import Page, Section, both
from ..wording import count, percent

_HTML = """
<section>
<h2>Escapes by the size of the defect</h2>
<p class="intro">Each part counts by its largest marked defect, the longer side of its box in camera pixels. Dashed
lines reach from what was seen up to what it may be at most.</p>
{{ chart(sizes) }}
{{ table(heads, lines) }}
</section>
"""
_MARKDOWN = """
## Escapes by the size of the defect

{{ table(heads, lines) }}
"""


def _show(page: Page) -> dict[str, Any] | None:
    quality = page.row.quality
    if quality is None or not quality.by_size:
        return None
    classes, row, teacher = quality.by_size, page.row, page.teacher
    curves = {row.name: classes}
    if teacher is not None and teacher.quality is not None and teacher.name != row.name and teacher.quality.by_size:
        curves[teacher.name] = teacher.quality.by_size
    return {
        "sizes": both(lambda width: escapes_by_size(curves, width=width)),
        "heads": ["Longest defect, camera pixels", "Escape", "Share", "At most"],
        "lines": [
            [
                f"{each.from_px} to {2 * each.from_px}",
                f"{count(each.escape.count)} of {count(each.escape.of)}",
                percent(each.escape.rate),
                percent(each.escape.upper),
            ]
            for each in classes
        ],
    }


SECTION = Section(name="sizes", order=79, show=_show, html=_HTML, markdown=_MARKDOWN)
