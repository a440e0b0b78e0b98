"""The soak of the shown row, if there was one: did it hold once the device had its final temperature?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....inspection.base.durations import describe_duration
from ...soak.schema import SoakSummary, Stretch
from ..charts.soak import soak_chart
from ..page import Page, Section, both
from ..wording import count, ms, plural

_HTML = """
<section>
<h2>The soak <span class="status {{ soak.verdict }}">{{ sign(soak.verdict) }}{{ gate_words[soak.verdict] }}</span></h2>
<p class="intro">{{ lead|tied }}</p>
{{ chart(soak_chart) }}
<ul class="legend">
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><path d="M0 7h14" class="curve chosen"/></svg>typical frame</li>
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><path d="M0 7h14" class="curve limit"/></svg>1 in 100</li>
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><path d="M0 7h14" class="curve"/></svg>slowest</li>
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><circle cx="7" cy="7" r="4" class="miss"/></svg>late frames</li>
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><path d="M0 0h14v14h-14z" class="doubtful"/></svg>not steady, not judged</li>
</ul>
<div class="columns soak">
<ul class="reasons">
{% for sentence in sentences %}<li>{{ sentence|tied }}</li>
{% endfor %}</ul>
<table class="plain parts">
<thead><tr><th scope="col"><span class="unseen">Figure</span></th>{% for name in columns %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for line in lines %}
<tr><th scope="row">{{ line[0] }}</th>{% for figure in line[1:] %}<td>{{ figure }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
</div>
</section>
"""

_MARKDOWN = """
## The soak: {{ gate_words[soak.verdict] }}

{{ lead }}

{% for sentence in sentences %}
- {{ sentence }}
{% endfor %}

{{ table(["", *columns], lines) }}
"""


def _show(page: Page) -> dict[str, Any] | None:
    soak = page.soak
    if soak is None:
        return None
    stretches = [("First minute", soak.first_minute), ("Before it was steady", soak.before_steady)]
    stretches += [("Steady", soak.steady), ("Whole", soak.whole)]
    known = [(name, stretch) for name, stretch in stretches if stretch is not None]
    return {
        "soak": soak,
        "soak_chart": both(lambda width: soak_chart(soak, width=width)),
        "lead": _lead(soak),
        "sentences": list(dict.fromkeys([*soak.reasons, *soak.throttling])),
        "columns": [name for name, _ in known],
        "lines": _lines([stretch for _, stretch in known]),
    }


def _lead(soak: SoakSummary) -> str:
    interrupted = f", in {plural(len(soak.sessions), 'session')}" if len(soak.sessions) > 1 else ""
    length = describe_duration(soak.measured_s)
    short = "" if soak.complete else f" of the {describe_duration(soak.asked_s)} asked for"
    frames = (
        f"{soak.row} ran under the line's load for {length}{short}{interrupted}: {count(soak.whole.frames)} frames."
    )
    began = next((each.at_s for each in soak.points if each.steady), None)
    if soak.steady is None or began is None:
        return f"{frames} The device never became steady, so nothing is said of its steady state."
    return f"{frames} From {describe_duration(began)} on the device was steady; the verdict is on that part."


def _lines(stretches: list[Stretch]) -> list[list[str]]:
    figures: dict[str, Callable[[Stretch], str]] = {
        "Frames": lambda each: count(each.frames),
        "Typical": lambda each: ms(each.p50_ms),
        "1 in 100": lambda each: ms(each.p99_ms),
        "1 in 1,000": lambda each: ms(each.p999_ms),
        "Slowest": lambda each: ms(each.max_ms),
        "Late": lambda each: count(each.misses),
    }
    return [[name, *(figure(each) for each in stretches)] for name, figure in figures.items()]


SECTION = Section(name="soak", order=50, show=_show, html=_HTML, markdown=_MARKDOWN)
