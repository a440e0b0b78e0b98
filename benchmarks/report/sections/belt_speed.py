"""How fast the belt may run: the shown row's line at other speeds, predicted from its frames."""

from __future__ import annotations

from typing import Any

from ..charts.belt_speed import belt_speed_chart
from ..page import Page, Section, both

_HTML = """
<section>
<h2>How fast the belt may run <span class="tag">predicted</span></h2>
{% for sentence in row.what_if.sentences %}<p class="intro">{{ sentence|tied }}</p>
{% endfor %}
{{ chart(belt_speed) }}
<ul class="legend">
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><path d="M0 7h14" class="curve limit"/></svg>what the belt leaves (deadline)</li>
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><path d="M0 7h14" class="curve chosen"/></svg>99&nbsp;% of frames are decided within</li>
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><path d="M0 7h14" class="curve"/></svg>slowest frame</li>
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><path d="M0 0h14v14h-14z" class="doubtful"/></svg>not proven by this run</li>
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><path d="M0 0h14v14h-14z" class="forbidden"/></svg>does not hold</li>
</ul>
<p class="caption">The measured frames of {{ row.name }}, replayed as if the belt were faster or slower. It assumes that {{ row.what_if.assumed|join("; ") }}. It decides nothing: measure at the new speed before you rely on it.</p>
</section>
"""

_MARKDOWN = """
## How fast the belt may run (predicted)

{% for sentence in row.what_if.sentences %}
{{ sentence }}
{% endfor %}
"""


def _show(page: Page) -> dict[str, Any] | None:
    what_if = page.row.what_if
    return None if what_if is None else {"belt_speed": both(lambda width: belt_speed_chart(what_if, width=width))}


SECTION = Section(name="belt_speed", order=60, show=_show, html=_HTML, markdown=_MARKDOWN)
