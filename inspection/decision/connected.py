"""Connected areas of a heatmap: which there are, which cells they hold, and where their rims run between cells.

Cells, not pixels. Everything is worked out for all areas at once, and only of the cells that are above the level: numpy
called for each area by itself would take longer than the network.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_FINDINGS = 64
"""So many areas of a frame are measured, the largest ones; a frame with more is no part but a fault of the camera."""

_HALF = 128
_WAYS = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]], np.float32)
_ROOM = np.float32(0.5)


class Areas(NamedTuple):
    """The cells of all areas, one area after the other.

    Attributes:
        shape: Rows and columns of the heatmap with the zeros around it.
        places: Of the cells in that heatmap, flattened, `[cells]`.
        values: Of the heatmap there, uint8 `[cells]`.
        around: Of the heatmap at the neighbours to the left, right, above and below, uint8 `[cells, 4]`.
        starts: Where each area begins among the cells, `[areas]`.
        counts: How many of them are its own, at least 1, `[areas]`.
        rims: The level that each area reaches out to, uint8 `[areas]`.
    """

    shape: tuple[int, int]
    places: NDArray[np.int64]
    values: NDArray[np.uint8]
    around: NDArray[np.uint8]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    rims: NDArray[np.uint8]

    @property
    def width(self) -> int:
        """Columns of the heatmap with the zeros around it."""
        return self.shape[1]


def areas_of(heatmap: NDArray[np.uint8], level: int) -> Areas | None:
    """Find the areas that reach a level: clear ones down to one half, and faint ones that hold no clear cell.

    What is connected from the level on (over corners, too) and stays below one half is faint; it reaches down to half
    its peak.

    Args:
        heatmap: uint8 `[rows, columns]`.
        level: In [1, 255].

    Returns:
        The areas; None where there are none.
    """
    rows, columns = heatmap.shape
    padded = np.zeros((rows + 2, columns + 2), np.uint8)
    padded[1:-1, 1:-1] = heatmap
    flat, (places, values, owners, rims) = padded.ravel(), _labelled(padded, level)
    if not len(places):
        return None
    counts = np.bincount(owners)
    names = counts.nonzero()[0]
    if len(names) > MOST_FINDINGS:
        names = np.sort(names[np.argsort(-counts[names], kind="stable")[:MOST_FINDINGS]])
        largest = np.isin(owners, names)
        places, values, owners = places[largest], values[largest], owners[largest]
    order = owners.argsort(kind="stable")
    counts, places = counts[names], places[order]
    around = flat[places[:, None] + _neighbours(columns + 2)]
    return Areas(padded.shape, places, values[order], around, counts.cumsum() - counts, counts, rims[names])


class _Labelled(NamedTuple):
    """Cells of areas: their places, values and labels, and the rim of each label."""

    places: NDArray[np.int64]
    values: NDArray[np.uint8]
    owners: NDArray[np.int32]
    rims: NDArray[np.uint8]


def _labelled(padded: NDArray[np.uint8], level: int) -> _Labelled:
    import cv2

    _, above = cv2.threshold(padded, min(level, _HALF) - 1, 1, cv2.THRESH_BINARY)
    count, labels = cv2.connectedComponents(above, connectivity=8, ltype=cv2.CV_32S)
    places = above.view(np.bool_).ravel().nonzero()[0]
    owners, values = labels.ravel()[places], padded.ravel()[places]
    if level == _HALF:  # each holds a value of one half, and reaches down to there
        return _Labelled(places, values, owners, np.full(count, _HALF, np.uint8))
    peaks = np.zeros(count, np.uint8)
    np.maximum.at(peaks, owners, values)
    rims = _rim_by_peak(level)[peaks]
    cut = rims[owners]
    own = values >= cut
    if own.all():
        return _Labelled(places, values, owners, rims)
    places, owners, values = places[own], owners[own], values[own]
    if level > _HALF:
        return _Labelled(places, values, owners, rims)
    above[...] = 0  # what was one area down to the level may be several above its rim
    above.ravel()[places] = 1
    count, labels = cv2.connectedComponents(above, connectivity=8, ltype=cv2.CV_32S)
    owners, rims = labels.ravel()[places], np.zeros(count, np.uint8)
    rims[owners] = cut[own]
    return _Labelled(places, values, owners, rims)


@lru_cache(maxsize=8)
def _neighbours(width: int) -> NDArray[np.int64]:
    return np.array((-1, 1, -width, width))


@lru_cache(maxsize=8)
def _rim_by_peak(level: int) -> NDArray[np.uint8]:
    """Say down to which value an area with a peak reaches; 255, which none of its cells has, if it is no finding."""
    peaks = np.arange(256)
    faint = np.where(peaks < level, 255, np.maximum((peaks + 1) // 2, level))
    clear = np.where(peaks < level, 255, _HALF)
    return np.where(peaks < _HALF, faint, clear).astype(np.uint8)


class Rim(NamedTuple):
    """Where the rims of areas cross the lines between their cells and the neighbours of these, area by area.

    Attributes:
        points: float32 `[crossings, 2]`, x and y in cells, whole numbers in their middles; the area lies within.
        starts: Where each area begins among them, `[areas]`.
    """

    points: NDArray[np.float32]
    starts: NDArray[np.int64]


def rim_of(areas: Areas) -> Rim:
    """Find the crossings: where the heatmap, linear between the middles of two cells, falls to the rim of the area."""
    rims = areas.rims.repeat(areas.counts)
    crossing = (areas.around < rims[:, None]).ravel().nonzero()[0]
    cell = crossing >> 2
    value = areas.values.astype(np.float32)
    above = value - rims + _ROOM
    reach = above[cell] / (value[cell] - areas.around.ravel()[crossing])
    points = _middles(areas.shape).take(areas.places[cell], axis=0)
    points += _WAYS.take(crossing & 3, axis=0) * reach[:, None]
    return Rim(points, cell.searchsorted(areas.starts))


@lru_cache(maxsize=8)
def _middles(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Give x and y of all cells, float32 `[cells, 2]`."""
    y, x = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    return np.stack((x, y), axis=1).astype(np.float32)
