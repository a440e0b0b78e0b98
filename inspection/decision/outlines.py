"""Outlines of the areas of a heatmap, worked out for all of a frame when somebody asks for one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from .connected import Areas

_MOST_CORNERS = 48
_ROUGH = 0.01

Corners = list[list[float]]


class Contour(Sequence[Sequence[float]]):
    """The outline of one area: corners `[x, y]` in camera pixels, in order.

    It is followed when a corner is asked for. What leaves the process, pickled or as JSON, is a plain list.
    """

    __slots__ = ("_frame", "_place")

    def __init__(self, frame: Outlines, place: int) -> None:
        """Name an area of a frame by its place."""
        self._frame = frame
        self._place = place

    @property
    def corners(self) -> Corners:
        """All of them, as a plain list."""
        return self._frame.all[self._place]

    def __len__(self) -> int:
        """Count the corners."""
        return len(self.corners)

    @overload
    def __getitem__(self, at: int) -> list[float]: ...
    @overload
    def __getitem__(self, at: slice) -> Corners: ...
    def __getitem__(self, at: int | slice) -> list[float] | Corners:
        """Give one corner, or several."""
        return self.corners[at]

    def __iter__(self) -> Iterator[list[float]]:
        """Go around."""
        return iter(self.corners)

    def __eq__(self, other: object) -> bool:
        """Compare corner by corner, with plain lists, too."""
        return self.corners == (other.corners if isinstance(other, Contour) else other)

    def __hash__(self) -> int:
        """Corners never change."""
        return hash(tuple(map(tuple, self.corners)))

    def __repr__(self) -> str:
        """Show the corners."""
        return repr(self.corners)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave as a plain list."""
        return list, (self.corners,)


class Outlines:
    """The outlines of all areas of one frame; made of their cells alone, the heatmap need not be kept."""

    __slots__ = ("_all", "_areas", "_boxes", "_origin", "_step")

    def __init__(
        self,
        areas: Areas,
        boxes: Sequence[Sequence[float]],
        *,
        step: tuple[float, float],
        origin: tuple[float, float],
    ) -> None:
        """Take what `findings.find` knows: areas, their boxes, camera pixels of a cell, and where cell 0, 0 lies."""
        self._areas = areas
        self._boxes = boxes
        self._step = step
        self._origin = origin
        self._all: list[Corners] = []

    @property
    def all(self) -> list[Corners]:
        """Of all areas, in their order; outlines with more than 48 corners are simplified."""
        if not self._all:
            self._all = self._followed()
        return self._all

    def _followed(self) -> list[Corners]:
        cells, numbers, starts = _outer_cells(self._areas)
        moved = _at_rim(cells, numbers, starts, self._areas)
        corners = np.round(moved * np.array(self._step) + self._origin, 1).tolist()
        parts = pairwise([*starts.tolist(), len(corners)])
        return [_few(corners[start:end], box) for (start, end), box in zip(parts, self._boxes, strict=True)]


def _outer_cells(areas: Areas) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Follow the outer cells of each area; holes have no outline.

    Returns:
        int32 `[cells, 2]`, x and y in the heatmap with zeros around it; which of the areas' cells each is; and where
        each area begins among them.
    """
    import cv2

    shape = (int(areas.places.max()) // areas.width + 2, areas.width)
    inside, numbers = np.zeros(shape, np.uint8), np.empty(shape, np.int64)
    inside.ravel()[areas.places] = 1
    numbers.ravel()[areas.places] = np.arange(len(areas.places))
    contours, tree = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outer = [each for each, above in zip(contours, tree[0, :, 3].tolist(), strict=True) if above < 0]
    outer.sort(key=lambda each: int(numbers[each[0, 0, 1], each[0, 0, 0]]))  # those of an area lie together
    lengths = np.array([len(each) for each in outer])
    cells = np.concatenate(outer)[:, 0]
    return cells, numbers[cells[:, 1], cells[:, 0]], np.cumsum(lengths) - lengths


def _at_rim(
    cells: NDArray[np.int32], numbers: NDArray[np.int64], starts: NDArray[np.int64], areas: Areas
) -> NDArray[np.float32]:
    """Move each cell of an outline to the rim, away from the area: outer contours run with it on their right hand.

    Returns:
        float32 `[cells, 2]`, x and y in cells.
    """
    lengths = np.diff(starts, append=len(cells))
    rims, around = np.repeat(areas.rims, lengths)[:, None], areas.around[numbers]
    value = areas.values[numbers].astype(np.float32)[:, None]
    reach = (value - rims + np.float32(0.5)) / np.maximum(value - around, np.float32(1))
    left, right, up, down = np.where(around < rims, reach, np.float32(0)).T
    following, before = np.empty_like(cells), np.empty_like(cells)
    following[:-1], before[1:] = cells[1:], cells[:-1]
    last = starts + lengths - 1
    following[last], before[starts] = cells[starts], cells[last]
    x, y = np.sign(following - before).T
    moved = np.empty((len(cells), 2), np.float32)
    moved[:, 0] = right * (y <= 0) - left * (y >= 0)
    moved[:, 1] = down * (x >= 0) - up * (x <= 0)
    moved[(x != 0) & (y != 0)] *= 0.5  # on a slant the rim runs from the one crossing to the other
    moved += cells
    return moved


def _few(corners: Corners, box: Sequence[float]) -> Corners:
    """Give an outline as few corners as it needs; that of one or two cells is their box."""
    if len(corners) < 4:
        left, top, width, height = box
        right, bottom = left + width, top + height
        return [[left, top], [left, bottom], [right, bottom], [right, top]]
    if len(corners) <= _MOST_CORNERS:
        return corners
    import cv2

    rough = np.array(corners, np.float32)
    simple = cv2.approxPolyDP(rough, _ROUGH * cv2.arcLength(rough, closed=True), closed=True)
    found: Corners = np.round(simple[:, 0].astype(np.float64), 1).tolist()
    return found[:_MOST_CORNERS]
