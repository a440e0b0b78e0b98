"""Escapes apart: for each kind of defect, and for the groups of photographs that have one."""

from __future__ import annotations

from typing import Any

from ..page import Page, Section
from ..schema import Portion
from ..wording import count, percent, plural

_MOST_SHOWN = 20

_HTML = """
<section>
<h2>Escapes apart</h2>
{% for title, heads, lines, left_out in tables %}
<h3>{{ title }}</h3>
{{ table(heads, lines) }}
{% if left_out %}<p class="key">{{ left_out }}</p>
{% endif %}
{% endfor %}
</section>
"""
_MARKDOWN = """
## Escapes apart

{% for title, heads, lines, left_out in tables %}
### {{ title }}

{{ table(heads, lines) }}

{{ left_out }}

{% endfor %}
"""


def _show(page: Page) -> dict[str, Any] | None:
    quality = page.row.quality
    if quality is None:
        return None
    tables = [
        ("By kind of defect", "Kind", quality.by_kind, "kind"),
        ("By group of photographs: those with an escape", "Group", quality.by_group, "group"),
    ]
    shown = [_table(title, head, portions, noun) for title, head, portions, noun in tables if portions]
    return {"tables": shown} if shown else None


def _table(title: str, head: str, portions: list[Portion], noun: str) -> tuple[str, list[str], list[list[str]], str]:
    lines = [
        [each.name, f"{count(each.count)} of {count(each.of)}", percent(each.rate), percent(each.upper)]
        for each in portions[:_MOST_SHOWN]
    ]
    rest = len(portions) - len(lines)
    left_out = f"{plural(rest, f'more {noun}')} in report.json." if rest else ""
    return title, [head, "Escape", "Share", "At most"], lines, left_out


SECTION = Section(name="escapes", order=75, show=_show, html=_HTML, markdown=_MARKDOWN)
