"""From the camera's frame to what the graph is given: one function for training, export, every backend and the station.

Frames that shrink are averaged over areas: every camera pixel counts, and a scratch of one pixel dims the network's
pixels that it lies in instead of falling between them. It is done on bytes, before the graph: a graph would turn the
whole frame into numbers of four bytes first. OpenCV is loaded where a frame is resized, and only then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..references.pairs import pair_of, parts_of
from .bayer import colour_planes, coloured
from .camera import Tiles
from .frame import FrameSpec
from .runs import mask_of

Pixels = NDArray[np.uint8]

_NEARLY = 1.25
"""Up to this factor bilinear sampling weighs pixels evenly enough: none below 0.75, 0.8 on average."""


def prepared(frame: Pixels, spec: FrameSpec) -> Pixels:
    """Do to a frame what a specification says that the graph does not, but for cutting it into tiles.

    The region is cut out, a mosaic becomes RGB, the frame is shrunk, and what is never judged painted in the mean
    colour.

    Args:
        frame: uint8 `[height, width, frame_channels]`, the camera's, or its region cut out already; where frames are
            compared, above its reference, which is prepared alike.
        spec: How frames are treated.

    Returns:
        uint8 `[rows, columns, channels]`, C-contiguous: what `spec.in_graph` takes, or what `tiles_of` cuts. The frame
        itself where nothing is to be done.

    Raises:
        DataError: The region reaches beyond the frame, no tile fits into it, or what is ignored is of another size.
    """
    if spec.reference:
        return frame if spec.in_graph == spec else pair_of(*(prepared(each, spec.alone) for each in parts_of(frame)))
    region, tiles = spec.region, spec.tiles
    if region is not None and frame.shape[:2] != (region.height, region.width):
        frame = region.cut(frame)
    if tiles is not None:
        tiles.require_smaller(*frame.shape[:2], source="frame")
        shrunk = _of_size(frame, spec, *tiles.scaled(*frame.shape[:2]))
    else:
        height, width = (spec.height, spec.width) if spec.resize == "area" else frame.shape[:2]
        shrunk = _of_size(frame, spec, height, width)
    if spec.ignore is None:
        return shrunk
    ignored = mask_of(spec.ignore, *shrunk.shape[:2])
    colour = np.rint(255 * np.array(spec.mean)).astype(np.uint8)
    return np.where(ignored[..., None], colour, shrunk)


def _of_size(frame: Pixels, spec: FrameSpec, height: int, width: int) -> Pixels:
    """Resize a frame; a mosaic becomes RGB, by making one pixel of two by two where it shrinks so far anyway."""
    if spec.bayer is None:
        return resized(frame, height, width)
    rows, columns = frame.shape[:2]
    if rows % 2 or columns % 2 or rows < 2 * height or columns < 2 * width:
        return resized(coloured(frame, spec.bayer), height, width)
    import cv2

    planes = [resized(plane[..., None], height, width) for plane in colour_planes(frame, spec.bayer)]
    return np.asarray(cv2.merge(planes), np.uint8)


def tiles_of(pixels: Pixels, spec: FrameSpec) -> Iterator[Pixels]:
    """Cut a prepared frame into what the graph is given, row by row of tiles; without tiles it is the frame itself.

    Yields:
        uint8 `[rows, columns, channels]`, C-contiguous.
    """
    tiles = spec.tiles
    if tiles is None:
        yield pixels
        return
    if spec.reference:
        halves = (tiles_of(each, spec.alone) for each in parts_of(pixels))
        yield from (pair_of(*each) for each in zip(*halves, strict=True))
        return
    for top in tiles.starts(pixels.shape[0]):
        for left in tiles.starts(pixels.shape[1]):
            yield np.ascontiguousarray(pixels[top : top + tiles.size, left : left + tiles.size])


def stitched(heatmaps: Sequence[Pixels], tiles: Tiles, height: int, width: int) -> Pixels:
    """Put tiles' heatmaps together; where tiles overlap, each shows what lies farther from its own edge.

    Args:
        heatmaps: uint8 `[rows, columns]` each, in the order of `tiles_of`.
        tiles: How the frame was cut.
        height: Of the prepared frame.
        width: Likewise.

    Returns:
        uint8 `[rows, columns]` of the whole frame, at the tiles' own scale.
    """
    rows, columns = (side / tiles.size for side in heatmaps[0].shape)
    whole = np.zeros((max(1, round(height * rows)), max(1, round(width * columns))), np.uint8)
    down, across = _owned(tiles, height, rows), _owned(tiles, width, columns)
    for number, heatmap in enumerate(heatmaps):
        row, column = down[number // len(across)], across[number % len(across)]
        shown = heatmap[row.begin - row.start :, column.begin - column.start :]
        place = whole[row.begin : row.end, column.begin : column.end]
        place[...] = shown[: place.shape[0], : place.shape[1]]
    return whole


class _Owned(NamedTuple):
    """Which cells of a stitched heatmap a tile gives, along one side.

    Attributes:
        start: Where the tile begins.
        begin: Its first own cell.
        end: Behind its last.
    """

    start: int
    begin: int
    end: int


def _owned(tiles: Tiles, length: int, cells: float) -> list[_Owned]:
    starts = [round(start * cells) for start in tiles.starts(length)]
    edge = round(tiles.size * cells)
    middles = [(start + before + edge) // 2 for before, start in pairwise(starts)]
    return [_Owned(*each) for each in zip(starts, [0, *middles], [*middles, starts[-1] + edge], strict=True)]


class Placement(NamedTuple):
    """Where the cells of a heatmap lie in the camera's frame, in its pixels.

    Attributes:
        top: Of the first row of cells.
        left: Of the first column.
        cell_height: Of a cell.
        cell_width: Likewise.
    """

    top: float
    left: float
    cell_height: float
    cell_width: float


def placement(spec: FrameSpec, frame_size: tuple[int, int], heatmap_size: tuple[int, int]) -> Placement:
    """Say where a heatmap lies in the camera's frame.

    Args:
        spec: How frames are treated.
        frame_size: Height and width of the frame, whole or its region alone.
        heatmap_size: Rows and columns.

    >>> from .camera import Region
    >>> spec = FrameSpec(height=32, width=32, channels=1, mean=(0.5,), std=(0.25,), frame_height=64, frame_width=96,
    ...                  region=Region(left=10, top=20, width=96, height=64), resize="area")
    >>> placement(spec, (480, 640), (8, 8))
    Placement(top=20.0, left=10.0, cell_height=8.0, cell_width=12.0)
    """
    region = spec.region
    height, width = frame_size if region is None else (region.height, region.width)
    top, left = (0, 0) if region is None else (region.top, region.left)
    return Placement(float(top), float(left), height / heatmap_size[0], width / heatmap_size[1])


def resized(frame: Pixels, height: int, width: int) -> Pixels:
    """Resize a frame, averaging over areas where it shrinks.

    Sides are halved exactly as long as that does not go too far; what is left, a factor below two, is interpolated:
    directly where it is small, else to twice the size, which is halved. On whole numbers throughout
    (`cv2.INTER_LINEAR_EXACT`), so that every processor gives the same bytes. Several times as fast as `cv2.INTER_AREA`
    by itself, which takes its slow way at factors that are no whole numbers (docs/evidence/cameras.md).

    Args:
        frame: uint8 `[rows, columns, channels]`; rows and columns may lie apart in memory, as a region's do.
        height: Wanted.
        width: Wanted.

    Returns:
        uint8 `[height, width, channels]`, C-contiguous; the frame itself where it has that size and is contiguous.
    """
    if frame.shape[:2] == (height, width):
        return np.ascontiguousarray(frame)
    import cv2

    channels = frame.shape[2]

    def to(pixels: Pixels, rows: int, columns: int, how: int) -> Pixels:
        made = cv2.resize(pixels, (columns, rows), interpolation=how).reshape(rows, columns, channels)
        return np.asarray(made, np.uint8)

    rows, columns = frame.shape[:2]
    while rows >= 2 * height and columns >= 2 * width and not rows % 2 and not columns % 2:
        rows, columns = rows // 2, columns // 2
        frame = to(frame, rows, columns, cv2.INTER_AREA)
    if not (height <= rows <= 2 * height and width <= columns <= 2 * width):
        rows, columns = min(rows, height), min(columns, width)
        frame = to(frame, rows, columns, cv2.INTER_AREA) if frame.shape[:2] != (rows, columns) else frame
    if (rows, columns) == (height, width):
        return np.ascontiguousarray(frame)
    if max(rows / height, columns / width) <= _NEARLY:
        return to(frame, height, width, cv2.INTER_LINEAR_EXACT)
    doubled = to(frame, 2 * height, 2 * width, cv2.INTER_LINEAR_EXACT)
    return to(doubled, height, width, cv2.INTER_AREA)
