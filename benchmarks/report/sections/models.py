"""All models: what each costs, how it sorts, and whether it fits."""

from __future__ import annotations

from typing import Any

from ..page import Page, Section
from ..table import table_rows

_HTML = """
<section>
<h2>All models</h2>
<table class="rows">
<thead><tr><th scope="col">Model</th>{% for cell in rows[0].cells %}<th scope="col">{{ cell.heading }}</th>{% endfor %}<th scope="col">Verdict</th></tr></thead>
<tbody>
{% for each in rows %}
<tr{% if each.selected %} class="selected"{% endif %}>
<th scope="row"><div class="model"><span class="number">{{ each.number }}</span><span><span class="name">{{ each.row.name }}</span>{% if each.selected %} <span class="tag">selected</span>{% endif %}
<small>{{ each.row.backend }}, {{ each.row.precision }}</small><small>{{ each.how }}</small></span></div></th>
{{ cells_of(each.cells) }}
<td data-label="Verdict"><span class="status {{ each.row.verdict }}">{{ sign(each.row.verdict) }}{{ each.verdict }}</span></td>
</tr>
{% endfor %}
</tbody>
</table>
<p class="key">Typical: half the frames are decided within. Slow: all but the slowest 1 in 100 or 1,000 are. Escapes: defects let through; new: those that the teacher catches. Overkill: good parts rejected. Flips: decisions that differ from the stage before. ≤: the true share is no larger, with the confidence asked for.</p>
{% for each in rows if each.row.reasons and each.row.verdict != "fits" and each.row.name != row.name %}
{% if loop.first %}<dl class="why">{% endif %}
<dt>{{ each.number }} {{ each.row.name }}</dt><dd>{{ each.row.reasons[0]|tied }}</dd>
{% if loop.last %}</dl>{% endif %}
{% endfor %}
</section>
"""

_MARKDOWN = """
## All models

{{ table(heads, lines) }}
"""


def _show(page: Page) -> dict[str, Any]:
    rows = table_rows(page.report)
    return {
        "rows": rows,
        "heads": ["Model", "Runs on", *(cell.heading for cell in rows[0].cells), "Verdict"],
        "lines": [
            [
                each.row.name + (" (selected)" if each.selected else ""),
                f"{each.row.backend}, {each.row.precision}",
                *(f"{cell.main} ({cell.detail})" if cell.detail else cell.main for cell in each.cells),
                each.verdict,
            ]
            for each in rows
        ],
    }


SECTION = Section(name="models", order=90, show=_show, html=_HTML, markdown=_MARKDOWN)
