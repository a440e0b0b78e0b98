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
_RIGHT = np.array([-1, 1, 0, 0], np.float32)
_DOWN = np.array([0, 0, -1, 1], np.float32)


class Areas(NamedTuple):
    """The cells of all areas, one area after the other.

    Attributes:
        width: Columns of the heatmap with the zeros around it.
        places: Of the cells in that heatmap, flattened, `[cells]`.
        values: Of the heatmap there, uint8 `[cells]`.
        around: Of the heatmap at the neighbours to the left, right, above and below, uint8 `[cells, 4]`.
        starts: Where each area begins among the cells, `[areas]`.
        counts: How many of them are its own, at least 1, `[areas]`.
        rims: The level that each area reaches out to, uint8 `[areas]`.
    """

    width: int
    places: NDArray[np.int64]
    values: NDArray[np.uint8]
    around: NDArray[np.uint8]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    rims: NDArray[np.uint8]


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
    places, owners, rims = _labelled(padded, level)
    if not len(places):
        return None
    counts = np.bincount(owners)
    names = np.flatnonzero(counts)
    if len(names) > MOST_FINDINGS:
        names = np.sort(names[np.argsort(-counts[names], kind="stable")[:MOST_FINDINGS]])
        largest = np.isin(owners, names)
        places, owners = places[largest], owners[largest]
    counts, places = counts[names], places[np.argsort(owners, kind="stable")]
    flat, width = padded.ravel(), columns + 2
    around = flat[places[:, None] + np.array((-1, 1, -width, width))]
    return Areas(width, places, flat[places], around, np.cumsum(counts) - counts, counts, rims[names])


def _labelled(padded: NDArray[np.uint8], level: int) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint8]]:
    """Give the cells of all areas, the label of each, and the rim of each label."""
    import cv2

    _, above = cv2.threshold(padded, min(level, _HALF) - 1, 1, cv2.THRESH_BINARY)
    count, labels = cv2.connectedComponents(above, connectivity=8, ltype=cv2.CV_32S)
    places = np.flatnonzero(above.view(np.bool_))
    owners, values = labels.ravel()[places], padded.ravel()[places]
    peaks = np.zeros(count, np.uint8)
    np.maximum.at(peaks, owners, values)
    rims = _rim_by_peak(level)[peaks]
    own = values >= rims[owners]
    if own.all():
        return places, owners, rims
    places, owners = places[own], owners[own]
    if level >= _HALF:
        return places, owners, rims
    cut = rims[owners]  # what was one area down to the level may be several above its rim
    above[...] = 0
    above.ravel()[places] = 1
    count, labels = cv2.connectedComponents(above, connectivity=8, ltype=cv2.CV_32S)
    owners, rims = labels.ravel()[places], np.zeros(count, np.uint8)
    rims[owners] = cut
    return places, owners, rims


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
    rims = np.repeat(areas.rims, areas.counts)
    crossing = np.flatnonzero(areas.around < rims[:, None])
    cell, way = crossing >> 2, crossing & 3
    value = areas.values[cell].astype(np.float32)
    reach = (value - rims[cell] + np.float32(0.5)) / (value - areas.around.ravel()[crossing])
    points = np.empty((len(cell), 2), np.float32)
    y, x = np.divmod(areas.places[cell], areas.width)
    points[:, 0] = x + _RIGHT[way] * reach
    points[:, 1] = y + _DOWN[way] * reach
    return Rim(points, np.searchsorted(cell, areas.starts))
