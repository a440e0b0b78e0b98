"""The gallery: what the shown row decided wrongly."""

from __future__ import annotations

from typing import Any

from ..gallery import cards
from ..page import Page, Section

_HTML = """
{% macro figures_of(cards, outcome, limit_word) %}
<div class="cards">
{% for card in cards %}
<figure class="card">
<div class="pictures">
<img src="{{ card.frame }}" width="{{ card.width }}" height="{{ card.height }}" alt="Photograph of {{ card.item.path }}, labelled {{ card.item.label }}, {{ outcome }}{{ ', with the close-up framed' if card.close_up }}">
<img src="{{ card.overlay }}" width="{{ card.width }}" height="{{ card.height }}" alt="{{ card.described|capitalize }}">
{% if card.reference %}<img src="{{ card.reference }}" width="{{ card.width }}" height="{{ card.height }}" alt="The reference that {{ card.item.path }} was compared with, moved onto it">
{% endif %}</div>
<figcaption>
<p class="kind"><strong>{{ card.item.label }}</strong>{% if card.is_new %} <span class="tag">caught by {{ row.quality.paired.against|named }}</span>{% endif %}</p>
{{ card.gauge|svg }}
<p class="score">score <strong>{{ card.score }}</strong> {{ limit_word }} {{ card.threshold }}</p>
<p class="path">{{ card.item.path }}</p>
</figcaption>
</figure>
{% endfor %}
</div>
{% endmacro %}
{% if row.quality and not row.quality.escape.count and not row.quality.overkill.count %}
<section>
<h2>Decided wrongly</h2>
<p>Nothing: no defect of the test was let through and no good part rejected.</p>
</section>
{% elif escapes or overkills %}
<section class="gallery">
<h2>Decided wrongly</h2>
<p class="intro">Left the photograph, right what drew {{ row.name }}’s attention, in orange; the marked defect is outlined in light blue. A part is rejected when its score reaches the threshold, the upright line.</p>
{% if escapes %}
<h3>Escapes: defects let through <small>{% if row.quality and escapes|length < row.quality.escape.count %}{{ escapes|length|count }} of {{ row.quality.escape.count|count }} shown{% else %}all {{ escapes|length|count }} shown{% endif %}</small></h3>
{{ figures_of(escapes, "passed though defective", "below the threshold") }}
{% endif %}
{% if overkills %}
<h3>Overkills: good parts rejected <small>{% if row.quality and overkills|length < row.quality.overkill.count %}{{ overkills|length|count }} of {{ row.quality.overkill.count|count }} shown{% else %}all {{ overkills|length|count }} shown{% endif %}</small></h3>
{{ figures_of(overkills, "rejected though good", "reaches the threshold") }}
{% endif %}
</section>
{% endif %}
"""


def _show(page: Page) -> dict[str, Any] | None:
    quality = page.row.quality
    if quality is None:
        return None
    new_paths = quality.paired.new_escape_paths if quality.paired else []
    drawn = cards(page.gallery, threshold=quality.threshold, new_paths=new_paths)
    if not drawn and (quality.escape.count or quality.overkill.count):
        return None
    return {
        "escapes": [card for card in drawn if card.item.kind == "escape"],
        "overkills": [card for card in drawn if card.item.kind == "overkill"],
    }


SECTION = Section(name="mistakes", order=110, show=_show, html=_HTML)
