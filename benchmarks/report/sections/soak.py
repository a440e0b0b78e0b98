"""The soak of the shown row, if there was one: did it hold once the device had its final temperature?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from ....inspection.base.durations import describe_duration
from ...soak.schema import PointRow, SoakSummary, Stretch
from ..charts.axes import LEFT, RIGHT
from ..charts.svg import Scale, element, line, path, picture, text, tooltip
from ..page import Page, Section, both
from ..wording import count, ms, plural

_HTML = """
<section>
<h2>The soak <span class="status {{ soak.verdict }}">{{ sign(soak.verdict) }}{{ gate_labels[soak.verdict] }}</span></h2>
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
{{ table([""] + columns, lines) }}
</div>
</section>
"""

_MARKDOWN = """
## The soak: {{ gate_labels[soak.verdict] }}

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
        "lines": _figures([stretch for _, stretch in known]),
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


def _figures(stretches: list[Stretch]) -> list[list[str]]:
    figures: dict[str, Callable[[Stretch], str]] = {
        "Frames": lambda each: count(each.frames),
        "Typical": lambda each: ms(each.p50_ms),
        "1 in 100": lambda each: ms(each.p99_ms),
        "1 in 1,000": lambda each: ms(each.p999_ms),
        "Slowest": lambda each: ms(each.max_ms),
        "Late": lambda each: count(each.misses),
    }
    return [[name, *(figure(each) for each in stretches)] for name, figure in figures.items()]


_UNITS = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"))
_TOP, _FLOOR, _STRIP, _GAP = 34.0, 210.0, 46.0, 26.0


def soak_chart(soak: SoakSummary, *, width: float) -> str:
    """Draw a soak's points on one time axis; those before the steady state are shaded.

    Args:
        soak: At least one point.
        width: Pixels; neighbouring points are merged where there are more than two on a pixel.
    """
    points = _merged(soak.points, most=int(width / 2))
    length_s = max(soak.points[-1].at_s + soak.point_s, soak.point_s)
    along = Scale(low=0, high=length_s, start=LEFT, end=width - RIGHT)
    strips = [strip for strip in (_temperature(soak), _clock(soak)) if strip[2]]
    floor = _FLOOR + sum(_GAP + _STRIP for _ in strips)
    drawn = [_strip(*strip, _FLOOR + _GAP + row * (_GAP + _STRIP), along) for row, strip in enumerate(strips)]
    return picture(
        width,
        floor + 44,
        *_unsteady(soak, along, floor),
        *_times(points, soak, along),
        *drawn,
        *_sessions(soak, along, floor),
        *_time_axis(along, floor),
        label=_description(soak),
    )


def _merged(points: Sequence[PointRow], *, most: int) -> list[PointRow]:
    """Merge neighbours: the worst of them stands for all, its late frames added up."""
    step = -(-len(points) // most)
    merged = []
    for start in range(0, len(points), step):
        group = points[start : start + step]
        worst = max(group, key=lambda each: each.p99_ms)
        changes = {"at_s": group[0].at_s, "misses": sum(each.misses for each in group)}
        merged.append(worst.model_copy(update={**changes, "max_ms": max(each.max_ms for each in group)}))
    return merged


def _times(points: Sequence[PointRow], soak: SoakSummary, along: Scale) -> list[str]:
    low, high = min(each.p50_ms for each in points), max(each.max_ms for each in points)
    top = 1.25 * max(high, soak.deadline_ms)
    up = Scale(low=max(0.8 * low, top / 1e5), high=top, start=_FLOOR, end=_TOP, log=True)
    marks = []
    for tick in up.ticks(5):
        marks.append(line(LEFT, up.at(tick), along.end, up.at(tick), "grid"))
        marks.append(text(LEFT - 8, up.at(tick) + 4, f"{tick:g}\u00a0ms", anchor="end"))
    limit = up.at(soak.deadline_ms)
    marks.append(line(LEFT, limit, along.end, limit, "deadline"))
    marks.append(text(along.end, limit - 5, f"deadline {ms(soak.deadline_ms)}", anchor="end", class_="label strong"))
    marks += _lines(points, along, up, lambda each: each.max_ms, "curve")
    marks += _lines(points, along, up, lambda each: each.p99_ms, "curve limit")
    marks += _lines(points, along, up, lambda each: each.p50_ms, "curve chosen")
    return marks + [_miss(each, along, up) for each in points if each.misses]


def _lines(
    points: Sequence[PointRow], along: Scale, up: Scale, value: Callable[[PointRow], float | None], class_: str
) -> list[str]:
    """Draw a line a session; it breaks where nothing is known."""
    drawn = []
    for _, group in groupby(points, key=lambda each: (each.session, value(each) is None)):
        known = [(along.at(each.at_s), up.at(found)) for each in group if (found := value(each)) is not None]
        if known:
            drawn.append(path([*known, (known[-1][0] + 1, known[-1][1])], class_))
    return drawn


def _miss(point: PointRow, along: Scale, up: Scale) -> str:
    hint = tooltip(f"{plural(point.misses, 'late frame')}, the slowest took {ms(point.max_ms)}")
    return element("circle", hint, cx=along.at(point.at_s), cy=up.at(point.max_ms), r=3, class_="miss")


Strip = tuple[str, Callable[[PointRow], float | None], list[PointRow]]


def _temperature(soak: SoakSummary) -> Strip:
    known = [each for each in soak.points if each.temperature_c is not None]
    return "temperature, \N{DEGREE SIGN}C", lambda each: each.temperature_c, known


def _clock(soak: SoakSummary) -> Strip:
    return "clock, MHz", lambda each: each.clock_mhz, [each for each in soak.points if each.clock_mhz is not None]


def _strip(
    name: str, value: Callable[[PointRow], float | None], points: list[PointRow], top: float, along: Scale
) -> str:
    known = [found for each in points if (found := value(each)) is not None]
    low, high = min(known), max(known)
    up = Scale(low=low - 0.5, high=max(high, low) + 0.5, start=top + _STRIP, end=top)
    drawn = [text(LEFT, top - 6, name, class_="label muted"), line(LEFT, top + _STRIP, along.end, top + _STRIP, "axis")]
    drawn += [text(LEFT - 8, up.at(each) + 4, f"{each:,.0f}", anchor="end") for each in sorted({low, high})]
    most = int(along.end / 2)
    thinned = points[:: -(-len(points) // most)]
    return "".join([*drawn, *_lines(thinned, along, up, value, "curve")])


def _unsteady(soak: SoakSummary, along: Scale, floor: float) -> list[str]:
    """Shade stretches that are not judged and name the moment from which on they are."""
    drawn = []
    for steady, group in groupby(soak.points, key=lambda each: each.steady):
        stretch = list(group)
        start, end = along.at(stretch[0].at_s), along.at(stretch[-1].at_s + soak.point_s)
        if not steady:
            rect = {"x": start, "y": _TOP, "width": max(end - start, 0.5), "height": floor - _TOP}
            drawn.append(element("rect", tooltip("not steady: not judged"), **rect, class_="doubtful"))
        elif start > along.start + 1 or not drawn:
            drawn.append(line(start, 8, start, floor, "mark"))
            to_left = start > (along.start + along.end) / 2
            anchor = "end" if to_left else "start"
            drawn.append(text(start + (-6 if to_left else 6), 16, "steady from here", anchor=anchor))
    return drawn


def _sessions(soak: SoakSummary, along: Scale, floor: float) -> list[str]:
    starts, elapsed_s = [], 0.0
    for session in soak.sessions[:-1]:
        elapsed_s += session.measured_s
        starts.append(line(along.at(elapsed_s), _TOP, along.at(elapsed_s), floor, "mark"))
    return starts


def _time_axis(along: Scale, floor: float) -> list[str]:
    unit_s, unit = next(((each, name) for each, name in _UNITS if along.high >= 3 * each), (1.0, "seconds"))
    title = text(
        (along.start + along.end) / 2, floor + 38, f"{unit} of the belt", anchor="middle", class_="label muted"
    )
    marks = [title, line(along.start, floor, along.end, floor, "axis")]
    scaled = Scale(low=0, high=along.high / unit_s, start=along.start, end=along.end)
    for tick in scaled.ticks(10 if along.end > 500 else 5):
        marks.append(line(scaled.at(tick), floor, scaled.at(tick), floor + 5, "axis"))
        marks.append(text(scaled.at(tick), floor + 19, f"{tick:,g}", anchor="middle"))
    return marks


def _description(soak: SoakSummary) -> str:
    late = f"{count(soak.whole.misses)} of {plural(soak.whole.frames, 'frame')} late"
    return f"Response times, temperature and clock over a soak of {plural(len(soak.sessions), 'session')}; {late}"


SECTION = Section(name="soak", order=50, show=_show, html=_HTML, markdown=_MARKDOWN)
