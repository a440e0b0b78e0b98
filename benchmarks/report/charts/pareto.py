"""Quality against latency: every row as a mark, and the edge that no other row beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..wording import auroc, ms
from .svg import Box, Scale, element, line, path, picture, place_label, text, tooltip

_LEFT, _RIGHT, _TOP, _FLOOR = 52.0, 16.0, 18.0, 340.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One row.

    Attributes:
        number: Its place in the table, from 1.
        name: Row name.
        latency_ms: Typical time, > 0.
        auroc: In [0, 1]; another share where the chart names it.
        interval: Its 95 % interval.
        verdict: `fits`, `misses` or `inconclusive`.
        selected: Whether this row was chosen.
        predicted: Whether its latency was computed, not measured.
    """

    number: int
    name: str
    latency_ms: float
    auroc: float
    interval: tuple[float, float]
    verdict: str
    selected: bool = False
    predicted: bool = False


def frontier(points: Sequence[Point]) -> list[Point]:
    """Give the rows that no other beats in latency and AUROC at once, from fast to slow.

    >>> def row(name: str, latency_ms: float, auroc: float) -> Point:
    ...     return Point(number=1, name=name, latency_ms=latency_ms, auroc=auroc, interval=(0, 1), verdict="fits")
    >>> [point.name for point in frontier([row("slow", 9, 0.9), row("worse", 10, 0.8), row("fast", 1, 0.7)])]
    ['fast', 'slow']
    """
    edge: list[Point] = []
    for point in sorted(points, key=lambda each: (each.latency_ms, -each.auroc)):
        if not edge or point.auroc > edge[-1].auroc:
            edge.append(point)
    return edge


def pareto_chart(
    points: Sequence[Point], *, deadline_ms: float, width: float, title: str, quality: str = "AUROC"
) -> str:
    """Draw all rows: latency to the right (logarithmic, under `title`), quality upwards, the selected row ringed.

    Marks are told apart by shape as well as colour: filled circle fits, hollow circle inconclusive, cross misses.
    """
    across = _latency_scale(points, deadline_ms, width)
    up = _quality_scale(points)
    numbers_only = width < 500
    names = [str(point.number) if numbers_only else f"{point.number} {point.name}" for point in points]
    label_text = "; ".join(f"{point.name}: {ms(point.latency_ms)}, {quality} {auroc(point.auroc)}" for point in points)
    return picture(
        width,
        _FLOOR + 44,
        *_axes(across, up, width, (title, quality)),
        *_deadline(deadline_ms, across),
        *_edge(points, across, up),
        *(_mark(point, across, up, quality) for point in points),
        *_names(points, names, across, up),
        label=f"Quality against latency. {label_text}",
    )


def _latency_scale(points: Sequence[Point], deadline_ms: float, width: float) -> Scale:
    times = [point.latency_ms for point in points]
    low, high = 0.6 * min(times), 1.7 * max(times)
    near = deadline_ms < 4 * high
    return Scale(
        low=low, high=max(high, 1.3 * deadline_ms) if near else high, start=_LEFT, end=width - _RIGHT, log=True
    )


def _quality_scale(points: Sequence[Point]) -> Scale:
    low = min(min(point.interval[0], point.auroc) for point in points)
    high = max(max(point.interval[1], point.auroc) for point in points)
    margin = max(0.08 * (high - low), 0.004)
    return Scale(low=max(0.0, low - margin), high=min(1.0, high + margin), start=_FLOOR, end=_TOP)


def _axes(across: Scale, up: Scale, width: float, titles: tuple[str, str]) -> list[str]:
    marks = [line(_LEFT, _FLOOR, width - _RIGHT, _FLOOR, "axis")]
    for quality in up.ticks(6):
        marks.append(line(_LEFT, up.at(quality), width - _RIGHT, up.at(quality), "grid"))
        marks.append(text(_LEFT - 8, up.at(quality) + 4, f"{quality:.3g}", anchor="end"))
    for tick in across.ticks(10 if width > 500 else 5):
        marks.append(line(across.at(tick), _FLOOR, across.at(tick), _FLOOR + 5, "axis"))
        marks.append(text(across.at(tick), _FLOOR + 19, f"{tick:g}", anchor="middle"))
    marks.append(text((_LEFT + width - _RIGHT) / 2, _FLOOR + 38, titles[0], anchor="middle", class_="label muted"))
    marks.append(text(_LEFT - 8, 10, titles[1], anchor="end", class_="label muted"))
    return marks


def _deadline(deadline_ms: float, across: Scale) -> list[str]:
    if not across.low < deadline_ms < across.high:
        return []
    x = across.at(deadline_ms)
    label = text(x - 5, _FLOOR - 8, "deadline", anchor="end", class_="label strong")
    return [line(x, _TOP, x, _FLOOR, "deadline"), label]


def _edge(points: Sequence[Point], across: Scale, up: Scale) -> list[str]:
    edge = frontier(points)
    steps = [(across.at(edge[0].latency_ms), up.at(edge[0].auroc))]
    for point in edge[1:]:
        x = across.at(point.latency_ms)
        steps += [(x, steps[-1][1]), (x, up.at(point.auroc))]
    steps.append((across.end, steps[-1][1]))
    return [path(steps, "frontier")]


def _mark(point: Point, across: Scale, up: Scale, quality: str) -> str:
    x, y = across.at(point.latency_ms), up.at(point.auroc)
    low, high = up.at(point.interval[0]), up.at(point.interval[1])
    ring = element("circle", cx=x, cy=y, r=10, class_="ring") if point.selected else ""
    hint = f"{point.name}: {ms(point.latency_ms)}, {quality} {auroc(point.auroc)}, {point.verdict}"
    hint += ", predicted" if point.predicted else ""
    return element("g", tooltip(hint), line(x, low, x, high, "whisker"), ring, _shape(x, y, point.verdict))


def _shape(x: float, y: float, verdict: str) -> str:
    if verdict == "misses":
        strokes = line(x - 5, y - 5, x + 5, y + 5, "cross") + line(x - 5, y + 5, x + 5, y - 5, "cross")
        return element("g", strokes)
    return element("circle", cx=x, cy=y, r=5.5, class_=f"mark-{verdict}")


def _names(points: Sequence[Point], names: Sequence[str], across: Scale, up: Scale) -> list[str]:
    room = Box(left=across.start, top=0, right=across.end, bottom=_FLOOR)
    spots = [(across.at(point.latency_ms), up.at(point.auroc)) for point in points]
    taken = [Box(left=x - 9, top=y - 9, right=x + 9, bottom=y + 9) for x, y in spots]
    drawn = []
    for point, name, (x, y) in sorted(zip(points, names, spots, strict=True), key=lambda each: not each[0].selected):
        for label_text in (name, str(point.number)):
            box = place_label(x, y, label_text, taken=taken, room=room, gap=13 if point.selected else 9)
            if box is not None:
                taken.append(box)
                drawn.append(
                    text(box.left, box.bottom - 3, label_text, class_="label strong" if point.selected else "label")
                )
                break
    return drawn
