"""What of the camera's frames is inspected: region, ignore mask and tiles, drawn over a photograph."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...inspection.base.errors import DataError
from ...inspection.data.camera import Region, Tiles

Pixels = NDArray[np.uint8]

_SIDE_PX = 960
_DARKER = 0.35
_HATCH_PX, _HATCH_WIDE_PX = 12, 4
_HATCH_RGB = (255, 106, 0)
_REGION_RGB, _TILE_RGB, _CASING_RGB = (64, 224, 255), (255, 255, 255), (10, 20, 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedView:
    """A whole photograph of the camera, and what of it is inspected.

    Attributes:
        path: Image file, relative to the data set's root.
        frame: uint8 `[height, width, 1 or 3]`, RGB.
        region: What is inspected; None: the whole frame.
        ignored: What is never judged of the region, or of the frame, bool of its size; None: nothing.
        tiles: How it is cut; None: as one piece.
    """

    path: str
    frame: Pixels
    region: Region | None = None
    ignored: NDArray[np.bool_] | None = None
    tiles: Tiles | None = None

    def __post_init__(self) -> None:
        """Refuse what does not fit over the photograph."""
        self.shown_region.require_within(*self.frame.shape[:2], source=self.path)
        size = (self.shown_region.height, self.shown_region.width)
        if self.ignored is not None and self.ignored.shape != size:
            msg = f"{self.path}: ignored must have the size of what is inspected, {size}, got {self.ignored.shape}"
            raise DataError(msg)

    @property
    def shown_region(self) -> Region:
        """The region, or all of the frame as one."""
        return self.region or Region(width=self.frame.shape[1], height=self.frame.shape[0])


def inspected_picture(view: InspectedView) -> Pixels:
    """Draw what is inspected.

    What lies outside the region is darker, what is never judged is hatched in orange, tiles are outlined in white and
    the region in light blue.

    Returns:
        RGB, uint8, the longer side at most 960 pixels; smaller photographs are not enlarged.
    """
    height, width = view.frame.shape[:2]
    factor = min(1.0, _SIDE_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = np.asarray(cv2.resize(view.frame, size, interpolation=cv2.INTER_AREA), np.uint8)
    drawn = cv2.cvtColor(small, cv2.COLOR_GRAY2RGB) if view.frame.shape[2] == 1 else small.copy()
    region = view.shown_region
    left, top = round(region.left * factor), round(region.top * factor)
    right = max(left + 1, round((region.left + region.width) * factor))
    bottom = max(top + 1, round((region.top + region.height) * factor))
    inside = drawn[top:bottom, left:right].copy()
    if view.ignored is not None:
        _hatch(inside, view.ignored)
    if view.tiles is not None:
        _outline_tiles(inside, view.tiles, (region.height, region.width))
    drawn = np.asarray(drawn * _DARKER, np.uint8)
    drawn[top:bottom, left:right] = inside
    if view.region is not None:
        for colour, thick in ((_CASING_RGB, 4), (_REGION_RGB, 2)):
            cv2.rectangle(drawn, (left, top), (right - 1, bottom - 1), colour, thick)
    return np.asarray(drawn, np.uint8)


def inspected_text(view: InspectedView) -> str:
    """Say the same in a sentence for those who do not see it."""
    height, width = view.frame.shape[:2]
    region, tiles = view.shown_region, view.tiles
    parts = [f"{region.width} x {region.height} of {width} x {height} camera pixels are inspected"]
    if view.ignored is not None:
        parts.append(f"{view.ignored.mean():.1%} of that is never judged")
    if tiles is not None:
        shrunk = "" if tiles.scale == 1 else f"shrunk to {tiles.scale:g} and "
        count = tiles.count(region.height, region.width)
        parts.append(f"{shrunk}cut into {count} tiles of {tiles.size} that overlap by {tiles.overlap} or more")
    return ", ".join(parts)


def _hatch(inside: Pixels, ignored: NDArray[np.bool_]) -> None:
    size = inside.shape[1], inside.shape[0]
    mask = cv2.resize(ignored.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    rows, columns = np.indices(mask.shape)
    inside[mask & ((rows + columns) % _HATCH_PX < _HATCH_WIDE_PX)] = _HATCH_RGB


def _outline_tiles(inside: Pixels, tiles: Tiles, size: tuple[int, int]) -> None:
    """Outline every tile by a line of one pixel; where they overlap, both lines are seen."""
    scaled = tiles.scaled(*size)
    down, across = (inside.shape[axis] / scaled[axis] for axis in (0, 1))
    for row in tiles.starts(scaled[0]):
        for column in tiles.starts(scaled[1]):
            corner = round(column * across), round(row * down)
            opposite = round((column + tiles.size) * across) - 1, round((row + tiles.size) * down) - 1
            cv2.rectangle(inside, corner, opposite, _TILE_RGB, 1)
