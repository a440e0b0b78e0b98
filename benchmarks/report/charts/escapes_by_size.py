"""Which share of defects escapes, against their length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..schema import SizeClass
from ..wording import count, percent
from .axes import LEFT, RIGHT
from .svg import Scale, element, line, path, picture, text, tooltip

_TOP, _HEIGHT = 26.0, 180.0


def escapes_by_size(curves: Mapping[str, Sequence[SizeClass]], *, width: float) -> str:
    """Draw one curve for each row; the first one with the range up to its bounds.

    Args:
        curves: By the row's name, the shown row first, at most two; each class of lengths at its geometric middle.
        width: Pixels.
    """
    classes = [each for curve in curves.values() for each in curve]
    low, high = min(each.from_px for each in classes), 2 * max(each.from_px for each in classes)
    floor = _TOP + _HEIGHT
    across = Scale(low=low, high=high, start=LEFT, end=width - RIGHT, log=True)
    up = Scale(low=0, high=1, start=floor, end=_TOP)
    drawn = [*_axes(across, up, width)]
    for at, (name, curve) in reversed([*enumerate(curves.items())]):  # the shown row lies on top
        drawn += _curve(name, curve, across, up, chosen=not at)
        drawn.append(text(LEFT + 8 + at * (width - LEFT) / 2, 14, name, class_="label muted" if at else "label strong"))
    said = ", ".join(f"{each.from_px} to {2 * each.from_px} pixels {percent(each.escape.rate)}" for each in classes)
    return picture(width, floor + 44, *drawn, label=f"Escapes by the length of the defect: {said}")


def _curve(name: str, curve: Sequence[SizeClass], across: Scale, up: Scale, *, chosen: bool) -> list[str]:
    points = [(across.at(each.from_px * 2**0.5), up.at(each.escape.rate)) for each in curve]
    drawn = []
    if chosen:
        drawn += [line(x, y, x, up.at(each.escape.upper), "bound") for (x, y), each in zip(points, curve, strict=True)]
    drawn.append(path(points, "curve chosen" if chosen else "curve"))
    for (x, y), each in zip(points, curve, strict=True):
        escape = each.escape
        hint = tooltip(
            f"{name}, {each.from_px} to {2 * each.from_px} pixels: {count(escape.count)} of {count(escape.of)}"
        )
        drawn.append(element("circle", hint, cx=x, cy=y, r=4.5, class_="size-dot" if chosen else "size-dot other"))
    return drawn


def _axes(across: Scale, up: Scale, width: float) -> list[str]:
    floor = up.start
    marks = [line(LEFT, floor, width - RIGHT, floor, "axis")]
    for share in (0.25, 0.5, 0.75, 1.0):
        marks.append(line(LEFT, up.at(share), width - RIGHT, up.at(share), "grid"))
        marks.append(text(LEFT - 8, up.at(share) + 4, percent(share), anchor="end"))
    length = across.low
    while length <= across.high:
        marks.append(line(across.at(length), floor, across.at(length), floor + 5, "axis"))
        marks.append(text(across.at(length), floor + 19, f"{length:g}", anchor="middle"))
        length *= 2
    middle = (across.start + across.end) / 2
    marks.append(
        text(middle, floor + 38, "longest defect of a part, camera pixels", anchor="middle", class_="label muted")
    )
    return marks
