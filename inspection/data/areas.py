"""One defect as somebody marked it: a box, an outline, or runs of pixels. Facts only; `kinds.py` draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels; the image's own upper left corner is 0, 0, its lower right width, height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A marked defect of one kind in one image.

    Attributes:
        kind: Kind of defect.
        shape: `box`: a coarse mask, whose corners are good; `polygon` and `runs` follow the defect.
        rings: Of boxes and polygons: closed outlines, x, y, x, y, ... in pixels each; together they are one defect.
        runs: Of `runs`: lengths of unmarked and marked pixels in turn, the first unmarked, column after column
            (the uncompressed run lengths of COCO).
        size: Of `runs`: height and width of the image that they cover, in pixels; 0, 0 as long as that is not known.
    """

    kind: str
    shape: Literal["box", "polygon", "runs"]
    rings: tuple[tuple[float, ...], ...] = ()
    runs: tuple[int, ...] = ()
    size: tuple[int, int] = (0, 0)

    @property
    def box(self) -> Box:
        """The smallest box around it; all zero where nothing is marked.

        >>> box_area("pit", (2, 3, 10, 8)).box
        (2.0, 3.0, 10.0, 8.0)
        """
        if self.shape == "runs":
            return _box_of_runs(self.runs, self.size[0])
        xs = [x for ring in self.rings for x in ring[::2]]
        ys = [y for ring in self.rings for y in ring[1::2]]
        return (min(xs), min(ys), max(xs), max(ys)) if xs else (0.0, 0.0, 0.0, 0.0)

    def scaled(self, x: float, y: float) -> Area:
        """Give it in an image that is `x` times as wide and `y` times as high; runs cannot be scaled and stay."""
        rings = tuple(tuple(value * (y if at % 2 else x) for at, value in enumerate(ring)) for ring in self.rings)
        return replace(self, rings=rings)

    def moved(self, right: float, down: float) -> Area:
        """Give it moved by so many pixels; runs cannot be moved and stay."""
        rings = tuple(
            tuple(value + (down if at % 2 else right) for at, value in enumerate(ring)) for ring in self.rings
        )
        return replace(self, rings=rings)

    @property
    def as_json(self) -> list[Any]:
        """What decides a result, for digests."""
        return [self.kind, self.shape, self.rings, self.runs, self.size]


def box_area(kind: str, box: Sequence[float]) -> Area:
    """Make a box of left, top, right and bottom in pixels."""
    left, top, right, bottom = map(float, box)
    return Area(kind=kind, shape="box", rings=((left, top, right, top, right, bottom, left, bottom),))


def polygon_area(kind: str, *rings: Sequence[float]) -> Area:
    """Make one defect of outlines, x, y, x, y, ... in pixels each."""
    return Area(kind=kind, shape="polygon", rings=tuple(tuple(map(float, ring)) for ring in rings))


def runs_area(kind: str, marked: NDArray[np.bool_]) -> Area:
    """Make a defect of a mask, bool `[height, width]`.

    >>> runs_area("pit", np.array([[False, True], [False, True]])).runs
    (2, 2)
    """
    flat = marked.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    ends = np.concatenate([[0] if len(flat) and flat[0] else [], [0], changes, [len(flat)]]).astype(int)
    return Area(kind=kind, shape="runs", runs=tuple(map(int, np.diff(ends))), size=(marked.shape[0], marked.shape[1]))


def mask_of_runs(runs: Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Draw run lengths that add up to the whole image: bool `[height, width]`.

    >>> mask_of_runs((1, 2, 1), (2, 2)).astype(int).tolist()
    [[0, 1], [1, 0]]
    """
    values = np.arange(len(runs)) % 2 == 1
    flat: NDArray[np.bool_] = np.repeat(values, runs)
    return flat.reshape(size, order="F")


def _box_of_runs(runs: Sequence[int], height: int) -> Box:
    ends = np.cumsum(np.array(runs, np.int64))
    stops, starts = ends[1::2], ends[: len(ends[1::2]) * 2 : 2]
    kept = stops > starts
    if not kept.any():
        return 0.0, 0.0, 0.0, 0.0
    starts, last = starts[kept], stops[kept] - 1
    left, right = starts // height, last // height
    whole = left != right  # a run that goes on in the next column touches the upper and the lower edge
    tops, bottoms = np.where(whole, 0, starts % height), np.where(whole, height - 1, last % height)
    return float(left.min()), float(tops.min()), float(right.max() + 1), float(bottoms.max() + 1)
