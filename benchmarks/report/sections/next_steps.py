"""What to do next, why, and what was gained over the teacher."""

from __future__ import annotations

from typing import Any

from ..decision import comparison, next_steps
from ..page import Page, Section

_HTML = """
<section class="columns">
<div>
<h2>What to do next</h2>
<ol class="steps">
{% for step in next_steps %}<li>{{ step|tied }}</li>
{% endfor %}</ol>
{% if row.reasons and verdict != "fits" %}
<h2 class="second">Why</h2>
<ul class="reasons">
{% for reason in row.reasons %}<li>{{ reason|tied }}</li>
{% endfor %}</ul>
{% endif %}
</div>
{% if comparison %}
<div>
<h2>Against the teacher</h2>
<table class="versus">
<thead><tr><th scope="col"><span class="unseen">Figure</span></th><th scope="col">{{ teacher.name }}</th><th scope="col">{{ row.name }}</th><th scope="col"><span class="unseen">Change</span></th></tr></thead>
<tbody>
{% for what, before, after, gain in comparison %}
<tr><th scope="row">{{ what }}</th><td>{{ before }}</td><td>{{ after }}</td><td class="gain">{{ gain }}</td></tr>
{% endfor %}
</tbody>
</table>
{% if row.recipe %}
<p class="recipe">Made by: {% for step in row.recipe %}<span>{{ step }}</span>{% endfor %}</p>
{% if row.lineage %}
<details class="lineage"><summary>Step by step</summary><ul>{% for line in row.lineage %}<li>{{ line }}</li>{% endfor %}</ul></details>
{% endif %}
{% endif %}
</div>
{% endif %}
</section>
"""

_MARKDOWN = """
## Next

{% for step in next_steps %}
{{ loop.index }}. {{ step }}
{% endfor %}
"""


def _show(page: Page) -> dict[str, Any]:
    return {"next_steps": next_steps(page.report), "comparison": comparison(page.report)}


SECTION = Section(name="next_steps", order=10, show=_show, html=_HTML, markdown=_MARKDOWN)
