"""SVG elements as escaped text, axis scales, and labels that do not overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

Attribute = str | float

FONT_PX = 12.0
_GLYPH_PX = 6.7  # average advance of a 12 px sans-serif glyph, on the wide side


def element(tag: str, *children: str, **attributes: Attribute) -> str:
    """Give one element; `class_` becomes `class` and other underscores become hyphens. Children are SVG already.

    >>> element("rect", x=1.5, width=20, class_="bar")
    '<rect x="1.5" width="20" class="bar"/>'
    """
    pairs = "".join(f' {_attribute(name)}="{_value(value)}"' for name, value in attributes.items())
    return f"<{tag}{pairs}>{''.join(children)}</{tag}>" if children else f"<{tag}{pairs}/>"


def text(x: float, y: float, content: str, *, anchor: str = "start", class_: str = "label") -> str:
    """Give a text element; `content` is escaped.

    >>> text(1, 2, "a < b")
    '<text x="1" y="2" text-anchor="start" class="label">a &lt; b</text>'
    """
    return element("text", escape(content), x=x, y=y, text_anchor=anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """Give a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def tooltip(content: str) -> str:
    """Give the `title` child that a browser shows on hover; `content` is escaped."""
    return element("title", escape(content) or " ")


def path(points: Sequence[tuple[float, float]], class_: str) -> str:
    """Give a polyline through the points, in pixels.

    >>> path([(0, 1), (2.25, 3)], "curve")
    '<path d="M0 1L2.25 3" class="curve"/>'
    """
    steps = "L".join(f"{_number(x)} {_number(y)}" for x, y in points)
    return element("path", d=f"M{steps}", class_=class_)


def picture(width: float, height: float, *children: str, label: str) -> str:
    """Give the whole SVG; `label` is what a screen reader says in its place."""
    box = f"0 0 {_number(width)} {_number(height)}"
    return element("svg", *children, viewBox=box, role="img", aria_label=label, class_="chart")


def text_width_px(content: str) -> float:
    """Estimate how wide a text of the charts' font size is."""
    return _GLYPH_PX * len(content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """From a quantity to pixels, linear or logarithmic (then `0 < low`); `low < high`.

    >>> Scale(low=1, high=100, start=0, end=200, log=True).at(10)
    100.0
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Give the pixel of a value; values outside land on the nearer end."""
        clipped = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(clipped / self.low) / math.log(self.high / self.low)
        else:
            share = (clipped - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, wanted: int = 6) -> list[float]:
        """Give round values within the range: 1, 2, 5 times powers of ten.

        >>> Scale(low=0.7, high=30, start=0, end=1, log=True).ticks(8)
        [1.0, 2.0, 5.0, 10.0, 20.0]
        >>> Scale(low=0, high=1, start=0, end=1).ticks()
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
        """
        return self._log_ticks(wanted) if self.log else self._linear_ticks(wanted)

    def _log_ticks(self, wanted: int) -> list[float]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for factors in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
            values = [factor * 10.0**power for power in decades for factor in factors]
            inside = [value for value in values if self.low * 0.999 <= value <= self.high * 1.001]
            if len(inside) <= wanted:
                return inside
        return inside[:: math.ceil(len(inside) / wanted)]

    def _linear_ticks(self, wanted: int) -> list[float]:
        raw = (self.high - self.low) / wanted
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= raw * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(index * step, 12) for index in range(first, last + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Whether the two share any area."""
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)

    def within(self, other: Box) -> bool:
        """Whether this one lies wholly in the other."""
        across = other.left <= self.left and self.right <= other.right
        return across and other.top <= self.top and self.bottom <= other.bottom


def place_label(x: float, y: float, content: str, *, taken: Sequence[Box], room: Box, gap: float = 9) -> Box | None:
    """Find a free place near a mark for its label: above right, below right, left, then further and further away.

    Args:
        x: The mark's centre in pixels.
        y: The mark's centre in pixels.
        content: What the label says.
        taken: Boxes that must stay clear.
        room: What the label must lie in.
        gap: Pixels between the mark's centre and the label.

    Returns:
        The label's box, or None where nothing nearby is free.
    """
    width, height = text_width_px(content), FONT_PX + 2
    for step in range(1, 9):
        for shift in (-0.75 * step * height, 0.75 * step * height):
            for left in (x + gap, x - gap - width, x - width / 2):
                box = Box(left=left, top=y + shift - height / 2, right=left + width, bottom=y + shift + height / 2)
                if box.within(room) and not any(box.overlaps(other) for other in taken):
                    return box
    return None


def _attribute(name: str) -> str:
    return "viewBox" if name == "viewBox" else name.rstrip("_").replace("_", "-")


def _value(value: Attribute) -> str:
    return escape(value) if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
