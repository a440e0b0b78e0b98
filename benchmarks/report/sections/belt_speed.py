"""How fast the belt may run: the shown row's line at other speeds, predicted from its frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..charts.axes import LEFT, RIGHT
from ..charts.svg import Scale, element, line, path, picture, text, text_width_px, tooltip
from ..page import Page, Section, both
from ..schema_parts import SpeedPoint, WhatIf
from ..wording import ms, speed

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


_TOP, _FLOOR = 62.0, 300.0


def belt_speed_chart(what_if: WhatIf, *, width: float) -> str:
    """Draw deadline and response times over the speed; shaded is what is not proven, and what does not hold.

    Args:
        what_if: At least two points.
        width: Pixels.
    """
    points = what_if.points
    along = Scale(low=points[0].speed_mm_s, high=points[-1].speed_mm_s, start=LEFT, end=width - RIGHT)
    up = _up(points)
    return picture(
        width,
        _FLOOR + 44,
        *_zones(what_if, along),
        *_axes(along, up, width),
        _curve([(each.speed_mm_s, each.deadline_ms) for each in points], along, up, "curve limit", "deadline"),
        _curve([(each.speed_mm_s, each.slowest_ms) for each in points], along, up, "curve", "slowest frame"),
        _curve(_known(points), along, up, "curve chosen", "99 % of frames within"),
        *_speeds(what_if, along),
        label=_description(what_if),
    )


def _up(points: Sequence[SpeedPoint]) -> Scale:
    deadlines = [each.deadline_ms for each in points if each.deadline_ms > 0]
    times = [*deadlines, *(each.slowest_ms for each in points), *(time for _, time in _known(points))]
    low = min(time for time in times if time > 0)
    high = 1.4 * max([*deadlines, low])
    return Scale(low=max(0.7 * low, high / 1e5), high=high, start=_FLOOR, end=_TOP, log=True)


def _known(points: Sequence[SpeedPoint]) -> list[tuple[float, float]]:
    return [(each.speed_mm_s, each.p99_ms) for each in points if each.p99_ms is not None]


def _curve(values: Sequence[tuple[float, float]], along: Scale, up: Scale, class_: str, name: str) -> str:
    """Draw a curve as far as it is above zero; what lies outside stands at the edge."""
    inside = [(along.at(speed), up.at(time)) for speed, time in values if time > 0]
    return element("g", tooltip(name), path(inside, class_)) if len(inside) > 1 else ""


def _zones(what_if: WhatIf, along: Scale) -> list[str]:
    seen = what_if.seen.speed_mm_s if what_if.seen else along.low
    proven = min(seen, what_if.proven.speed_mm_s if what_if.proven else along.low)
    zones = ((proven, seen, "doubtful", "not proven by this run"), (seen, along.high, "forbidden", "does not hold"))
    return [
        element(
            "rect",
            tooltip(name),
            x=along.at(low),
            y=_TOP,
            width=along.at(high) - along.at(low),
            height=_FLOOR - _TOP,
            class_=class_,
        )
        for low, high, class_, name in zones
        if along.at(high) - along.at(low) > 0.5
    ]


def _axes(along: Scale, up: Scale, width: float) -> list[str]:
    title = text((along.start + along.end) / 2, _FLOOR + 38, "belt speed, mm/s", anchor="middle", class_="label muted")
    marks = [title]
    for tick in up.ticks(6):
        marks.append(line(LEFT, up.at(tick), width - RIGHT, up.at(tick), "grid"))
        marks.append(text(LEFT - 8, up.at(tick) + 4, f"{tick:g}\u00a0ms", anchor="end"))
    for tick in along.ticks(10 if width > 500 else 4):
        marks.append(line(along.at(tick), _FLOOR, along.at(tick), _FLOOR + 5, "axis"))
        marks.append(text(along.at(tick), _FLOOR + 19, f"{tick:,g}", anchor="middle"))
    marks.append(line(LEFT, _FLOOR, width - RIGHT, _FLOOR, "axis"))
    return marks


def _speeds(what_if: WhatIf, along: Scale) -> list[str]:
    """Mark today's speed, the highest proven and the highest seen, each name in a row of its own."""
    named = (("today", what_if.today), ("proven up to", what_if.proven), ("seen up to", what_if.seen))
    drawn = []
    for row, (name, point) in enumerate((name, point) for name, point in named if point is not None):
        x, y = along.at(point.speed_mm_s), 14.0 + 17 * row
        label_text = f"{name} {speed(point.speed_mm_s)}"
        to_left = x + 8 + text_width_px(label_text) > along.end
        drawn.append(line(x, y - 10, x, _FLOOR, "deadline" if name == "today" else "mark"))
        weight = "label strong" if name == "today" else "label"
        drawn.append(
            text(x - 6 if to_left else x + 6, y, label_text, anchor="end" if to_left else "start", class_=weight)
        )
    return drawn


def _description(what_if: WhatIf) -> str:
    known = [f"today {speed(what_if.today.speed_mm_s)} with a deadline of {ms(what_if.today.deadline_ms)}"]
    for name, point in (("proven", what_if.proven), ("seen", what_if.seen)):
        if point is not None:
            known.append(f"{name} up to {speed(point.speed_mm_s)}")
    return f"Predicted: deadline and response times over belt speed; {', '.join(known)}"


SECTION = Section(name="belt_speed", order=60, show=_show, html=_HTML, markdown=_MARKDOWN)
