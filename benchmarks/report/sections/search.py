"""The search behind the rows: what was tried, the edge of it, and why the chosen row was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....inspection.statistics.bounds import rate_lower, rate_upper
from ..charts.pareto import Point, pareto_chart
from ..decision import typical_ms
from ..page import Page, Section, both
from ..schema import Report, Row
from ..schema_parts import Search, SearchTrial
from ..wording import count, ms, percent, plural

_MARKS = {True: "fits", False: "misses"}
_CONFIDENCE = 0.975
"""Of each end: together a 95 % interval."""

_HTML = """
<section>
<h2>The search</h2>
<p class="intro">{{ lead|tied }}</p>
{% if search_chart %}
{{ chart(search_chart) }}
<ul class="legend">
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><circle cx="7" cy="7" r="5" class="mark-fits"/></svg>trained, within the gates on val</li>
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><path d="M2.5 2.5l9 9M11.5 2.5l-9 9" class="cross"/></svg>trained, outside</li>
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><circle cx="7" cy="7" r="5" class="mark-inconclusive"/></svg>stopped early</li>
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><circle cx="7" cy="7" r="6" class="ring"/></svg>became a row</li>
<li><svg class="key" viewBox="0 0 14 14" aria-hidden="true"><path d="M7 1v12" class="whisker"/></svg>95 % interval of the share caught</li>
</ul>
{% endif %}
<h3>Why this one</h3>
<ul class="reasons">
{% for sentence in why %}<li>{{ sentence|tied }}</li>
{% endfor %}</ul>
{% if lines %}
<table class="plain trials">
<thead><tr><th scope="col">Trial</th><th scope="col">Is</th><th scope="col">1 in 100, engine, on the belt</th><th scope="col">Escapes on val</th><th scope="col">So</th></tr></thead>
<tbody>
{% for name, what, time, escapes, so in lines %}
<tr><th scope="row">{{ name }}</th><td>{{ what }}</td><td>{{ time }}</td><td>{{ escapes }}</td><td>{{ so }}</td></tr>
{% endfor %}
</tbody>
</table>
{% endif %}
{% if left_out %}<p class="key">{{ left_out }}</p>
{% endif %}
</section>
"""

_MARKDOWN = """
## The search

{{ lead }}

{% for sentence in why %}
- {{ sentence }}
{% endfor %}
"""


def _show(page: Page) -> dict[str, Any] | None:
    search = page.report.search
    if search is None:
        return None
    shown = sorted((each for each in search.trials if _is_shown(each)), key=lambda each: each.p99_ms or 0.0)
    rest = len(search.trials) - len(shown)
    points, deadline_ms = search_points(search), page.report.budget.deadline_ms
    title = "99 % of frames within, engine alone, ms"
    return {
        "lead": _lead(search),
        "why": _why(page.report, search),
        "lines": [_line(each) for each in shown],
        "left_out": f"{plural(rest, 'more trial')} came less far." if rest else "",
        "search_chart": both(
            lambda width: pareto_chart(points, deadline_ms=deadline_ms, width=width, title=title, quality="caught")
        )
        if points
        else None,
    }


def search_points(search: Search) -> list[Point]:
    """Give the graded trials as marks of the Pareto chart: engine time back to back, share of val's defects caught.

    Trained whole and within the gates on val: like a row that fits; trained whole and outside: one that misses; stopped
    at a rung: not proven.
    """
    return [
        Point(
            number=each.number,
            name=each.name,
            latency_ms=each.comparable_p99_ms,
            auroc=each.caught,
            interval=_interval(each.escapes or 0, each.defects or 1),
            verdict=_MARKS[each.holds] if each.ending == "whole" else "inconclusive",
            selected=each.is_row,
        )
        for each in search.trials
        if each.comparable_p99_ms is not None and each.caught is not None
    ]


def _interval(escapes: int, defects: int) -> tuple[float, float]:
    lower = rate_lower(escapes, defects, confidence=_CONFIDENCE)
    return 1 - rate_upper(escapes, defects, confidence=_CONFIDENCE), 1 - lower


def _is_shown(trial: SearchTrial) -> bool:
    return trial.ending == "whole" and trial.p99_ms is not None and trial.escapes is not None


def _lead(search: Search) -> str:
    by_ending = {ending: sum(each.ending == ending for each in search.trials) for ending in _ENDINGS}
    kinds = [f"{count(number)} {_ENDINGS[ending]}" for ending, number in by_ending.items() if number]
    rungs = ", ".join(str(epochs) for epochs in search.rungs)
    asked = f"asked for: {search.asked_trials} trials, {search.asked_minutes:g} minutes"
    return (
        f"{plural(len(search.trials), 'trial')} in {search.spent_minutes:.3g} minutes ({asked}): {', '.join(kinds)}. "
        f"Trained for {rungs} epochs; only the better third of each rung went on. Escapes are counted on val, where "
        "the search looks; the rows are judged on test, which it never sees."
    )


_ENDINGS = {
    "whole": "trained to the end",
    "stopped": "stopped at a rung",
    "too slow": "too slow for the belt before any training",
    "failed": "failed",
    "under way": "under way when the time was over",
}


def _why(report: Report, search: Search) -> list[str]:
    """Compare the selected row with the other rows that the search brought."""
    names = {each.name for each in search.trials if each.is_row}
    rows = [row for row in report.rows if row.model_name in names]
    chosen = next((row for row in rows if row.name == report.selected), None)
    if chosen is None:
        other = f" ({report.selected} was, which was not searched for)" if report.selected else ""
        return [f"None of the {plural(len(rows), 'trial')} that became rows was chosen{other}.", *_reasons(rows)]
    trial = next(each for each in search.trials if each.name == chosen.model_name)
    sentences = [f"{chosen.name} was chosen: of the rows that hold every gate on test it takes the least time."]
    sentences.append(f"It is {trial.words}; {_found(trial)}.")
    return [*sentences, *_reasons([row for row in rows if row.name != chosen.name])]


def _reasons(rows: Sequence[Row]) -> list[str]:
    kinds = []
    for row in rows:
        time_ms = typical_ms(row, one_by_one=True)
        time = f" ({ms(time_ms)} back to back)" if time_ms else ""
        reason = row.reasons[0] if row.reasons else f"the verdict is {row.verdict}."
        if row.verdict == "fits":
            reason = "it holds every gate, too, but takes longer."
        kinds.append(f"{row.name}{time}: {reason}")
    return kinds


def _found(trial: SearchTrial) -> str:
    if trial.p99_ms is None or trial.escapes is None or not trial.defects:
        return "it was not graded before it became a row"
    escapes = f"{count(trial.escapes)} of {count(trial.defects)} defects escaped on val"
    return f"{escapes}, with 99 % of frames within {ms(trial.p99_ms)} in the engine"


def _line(trial: SearchTrial) -> tuple[str, ...]:
    escapes, defects = trial.escapes or 0, trial.defects or 1
    marks = [mark for mark, holds in (("row", trial.is_row), ("on the edge", trial.on_edge)) if holds]
    within = "within the gates" if trial.holds else "outside the gates"
    return (
        trial.name,
        trial.words,
        ms(trial.p99_ms or 0.0),
        f"{count(escapes)} of {count(defects)} ({percent(escapes / defects)})",
        ", ".join([within, *marks]),
    )


SECTION = Section(name="search", order=80, show=_show, html=_HTML, markdown=_MARKDOWN)
