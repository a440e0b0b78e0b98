"""What of the camera's frames is inspected, drawn over one of them."""

from __future__ import annotations

from typing import Any

from ..gallery import data_uri
from ..inspected_view import inspected_picture, inspected_text
from ..page import Page, Section

_HTML = """
<section class="inspected">
<h2>What is inspected</h2>
<p class="intro">{{ sentence }}.</p>
<img src="{{ picture }}" width="{{ width }}" height="{{ height }}" alt="Photograph {{ path }}: {{ sentence }}">
<p class="key">{{ key }} Photograph: {{ path }}.</p>
</section>
"""


def _show(page: Page) -> dict[str, Any] | None:
    view = page.inspected
    if view is None:
        return None
    picture = inspected_picture(view)
    keys = [
        ("The region is outlined in light blue, what lies outside is never looked at.", view.region is not None),
        ("What is hatched in orange is never judged.", view.ignored is not None),
        ("White lines are the edges of tiles.", view.tiles is not None),
    ]
    return {
        "sentence": inspected_text(view),
        "picture": data_uri(picture),
        "width": picture.shape[1],
        "height": picture.shape[0],
        "path": view.path,
        "key": " ".join(text for text, shown in keys if shown),
    }


SECTION = Section(name="inspected", order=105, show=_show, html=_HTML)
