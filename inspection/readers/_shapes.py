"""Shapes of label tools as outlines: ellipses, turned boxes, lines."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, hypot, pi, sin

from ..base.errors import DataError

_CORNERS = 48


def ellipse(x: float, y: float, radius_x: float, radius_y: float) -> list[float]:
    """Give an ellipse about a centre as an outline of 48 points, x, y, x, y, ..."""
    angles = [2 * pi * at / _CORNERS for at in range(_CORNERS)]
    return [value for angle in angles for value in (x + radius_x * cos(angle), y + radius_y * sin(angle))]


def circle(centre: Sequence[float], rim: Sequence[float]) -> list[float]:
    """Give a circle of a centre and a point on its rim."""
    radius = hypot(rim[0] - centre[0], rim[1] - centre[1])
    return ellipse(centre[0], centre[1], radius, radius)


def turned_box(box: Sequence[float], angle: float, *, about: Sequence[float] | None = None) -> list[float]:
    """Turn a box of left, top, right, bottom clockwise (as images are seen) by an angle in radians.

    Args:
        box: In pixels.
        angle: Radians.
        about: x and y that stay; None: the centre.

    >>> [round(value) for value in turned_box((0, 0, 4, 2), pi / 2)]
    [3, -1, 3, 3, 1, 3, 1, -1]
    """
    left, top, right, bottom = box
    x0, y0 = about if about is not None else ((left + right) / 2, (top + bottom) / 2)
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    moved = [(x - x0, y - y0) for x, y in corners]
    return [
        value
        for x, y in moved
        for value in (x0 + x * cos(angle) - y * sin(angle), y0 + x * sin(angle) + y * cos(angle))
    ]


def line(points: Sequence[Sequence[float]]) -> list[float]:
    """Give a line through points as an outline that goes there and back: it marks a line one pixel wide."""
    return [value for point in [*points, *points[::-1]] for value in point]


def in_radians(angle: float, *, what: str) -> float:
    """Check that an angle can be one in radians.

    Raises:
        DataError: It is larger than a whole turn, and so in degrees.
    """
    if abs(angle) > 2 * pi:
        msg = f"{what}: wanted an angle in radians, got {angle:g}, more than a whole turn: is it in degrees?"
        raise DataError(msg)
    return angle
