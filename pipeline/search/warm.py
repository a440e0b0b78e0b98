"""Where a search begins: recipes that did well on the lines that Beltline comes with."""

from __future__ import annotations

from typing import Any

from .points import Point
from .space import Space, parameters_of

_DEPTH, _STRIDE = 2, 4
_STARTS: tuple[dict[str, Any], ...] = (
    {"width": 16},
    {"width": 16, "depth": 3},
    {"width": 24},
    {"width": 24, "precision": "fp32"},
    {"width": 24, "depth": 3},
    {"width": 16, "stride": 8},
    {"width": 16, "scale": 0.75},
    {"width": 8, "depth": 1},
)
"""Of the family `plain`, INT8 unless said otherwise: the recipes of the built-in line and of the examples, and their
neighbours towards fewer escapes and towards fewer milliseconds."""


def warm_starts(space: Space) -> list[dict[str, Any]]:
    """Give the parameters of the starts that lie in a space, on its first backend with most threads; best guess first.

    What a start does not say is as a recipe by hand would have it, or the only choice that there is.
    """
    found = [parameters_of(_point(start, space), space) for start in _STARTS]
    return [each for position, each in enumerate(found) if each is not None and each not in found[:position]]


def _point(start: dict[str, Any], space: Space) -> Point:
    network = {"width": start["width"], "depth": start.get("depth", _DEPTH), "stride": start.get("stride", _STRIDE)}
    precision = start.get("precision", "int8")
    offered = space.shared
    return Point(
        network={"family": "plain", **network},
        scale=start.get("scale", max(offered["scale"])),
        prune=start.get("prune", min(offered["prune"])),
        precision=precision if precision in offered["precision"] else offered["precision"][0],
        backend=offered["backend"][0],
        threads=max(offered["threads"]),
    )
