"""Designs apart: what each group of many photographs costs in escapes and overkill, with exact intervals."""

from __future__ import annotations

from typing import Any

from ..page import Page, Section
from ..schema import Design, Rate
from ..wording import count, percent, plural

_MOST_SHOWN = 20

_HTML = """
<section>
<h2>Designs apart</h2>
<p class="key">{{ said }}</p>
{{ table(heads, lines) }}
{% if left_out %}<p class="key">{{ left_out }}</p>
{% endif %}
</section>
"""
_MARKDOWN = """
## Designs apart

{{ said }}

{{ table(heads, lines) }}

{{ left_out }}
"""


def _show(page: Page) -> dict[str, Any] | None:
    quality = page.row.quality
    if quality is None or not quality.by_design:
        return None
    designs = quality.by_design
    rest = len(designs) - _MOST_SHOWN
    return {
        "said": (
            f"The test split shows {plural(len(designs), 'group')} of ten photographs or more, none of which was trained "
            "on. An interval is for further parts of its group (exact, each end at the gate's confidence); the bounds of "
            "the gates are for groups that nobody has seen yet."
        ),
        "heads": ["Design (group)", "Escape", "Interval", "Overkill", "Interval"],
        "lines": [_line(each) for each in designs[:_MOST_SHOWN]],
        "left_out": f"{plural(rest, 'more group')} in report.json." if rest > 0 else "",
    }


def _line(design: Design) -> list[str]:
    return [design.name, *_cells(design.escape), *_cells(design.overkill)]


def _cells(rate: Rate) -> list[str]:
    if not rate.of:
        return ["none to count", ""]
    return [f"{count(rate.count)} of {count(rate.of)}", f"{percent(rate.lower or 0.0)} to {percent(rate.upper)}"]


SECTION = Section(name="designs", order=76, show=_show, html=_HTML, markdown=_MARKDOWN)
