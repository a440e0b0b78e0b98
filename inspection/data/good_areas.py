"""Good parts of photographs that each show a defect: the largest rectangle outside of all that is marked.

A data set such as NEU-DET has no photograph without a defect, and inspection is learnt and judged on both. So each
photograph gives a second sample: its largest rectangle without a defect, where it lies, and mirrored from there over
the rest of the frame. Every pixel of it is real, at the camera's scale and in its light, and it is as large as the
frames that the line sends; nothing is painted over and nothing is stretched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset, Rectangle, Sample
from .kinds import defect_mask

_MARGIN = 0.01  # of the longer side: boxes are drawn tight, and the rim of a defect is none
_LEAST_SIDE = 1 / 8
_LEAST_SHARE = 1 / 10
_CELLS = 128  # the rectangle's sides are found to within a 128th of the frame


def with_good_areas(dataset: Dataset) -> Dataset:
    """Add a good sample for each defective one that has enough room outside of what is marked.

    It shares the photograph's group and split.

    Args:
        dataset: Without good samples.
    """
    added = tuple(_good_samples(dataset, dataset.samples))
    marked = [sample for sample in dataset.samples if sample.marked]
    note = (
        "no image is good: what lies outside of the marked defects is taken as good, one area of each of "
        f"{len(added):,} images (of {len(marked):,} with marks), mirrored to a whole frame; overkill is counted on "
        "these. Photographs of good parts say more"
    )
    return replace(
        dataset,
        samples=tuple(sorted((*dataset.samples, *added), key=lambda sample: sample.path)),
        notes=(note, *dataset.notes),
        cautions=(note, *dataset.cautions),
    )


def mirrored(frame: NDArray[np.uint8], area: Rectangle) -> NDArray[np.uint8]:
    """Fill a frame with one rectangle of it, which stays where it is and is mirrored at its edges.

    Args:
        frame: `[height, width, channels]`.
        area: Left, top, width and height in pixels.

    Returns:
        As `frame`, a copy.
    """
    left, top, width, height = area
    inside = np.ascontiguousarray(frame[top : top + height, left : left + width])
    below, right = frame.shape[0] - top - height, frame.shape[1] - left - width
    whole = cv2.copyMakeBorder(inside, top, below, left, right, cv2.BORDER_REFLECT_101)
    return np.ascontiguousarray(whole, np.uint8).reshape(frame.shape)


def largest_free(marked: NDArray[np.bool_]) -> Rectangle | None:
    """Find the largest rectangle without a marked pixel, of those with room enough to judge by.

    Args:
        marked: `[height, width]`.

    Returns:
        Left, top, width and height in pixels; None: smaller than a tenth of the frame, or an eighth of a side.

    >>> marked = np.zeros((100, 200), np.bool_)
    >>> marked[:, 50:60] = True
    >>> largest_free(marked)
    (64, 0, 136, 100)
    """
    height, width = marked.shape
    reach = 1 + round(_MARGIN * max(height, width)) if marked.any() else 0
    wider = cv2.dilate(marked.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    rows, columns = (np.unique(np.linspace(0, side, min(side, _CELLS) + 1).astype(int)) for side in (height, width))
    below = cv2.integral(wider)[rows[:, None], columns]
    cells = below[1:, 1:] - below[:-1, 1:] - below[1:, :-1] + below[:-1, :-1] == 0
    best = _largest(cells, rows, columns)
    if best[2] * best[3] < _LEAST_SHARE * height * width:
        return None
    return None if best[2] < _LEAST_SIDE * width or best[3] < _LEAST_SIDE * height else best


def _good_samples(dataset: Dataset, samples: Iterable[Sample]) -> Iterator[Sample]:
    for sample in samples:
        area = largest_free(defect_mask(dataset, sample)) if sample.marked else None
        if area is not None:
            digest = hashlib.sha256(f"{sample.digest} {area}".encode()).hexdigest()
            yield replace(
                sample,
                label="good",
                defective=False,
                mask=None,
                mask_digest=None,
                areas=(),
                kinds=(),
                digest=f"sha256:{digest}",
                good_area=area,
            )


def _largest(free: NDArray[np.bool_], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Rectangle:
    """Find the largest rectangle of free cells, in pixels; one of no size where no cell is free.

    Row by row: how far up each free cell goes on, and how far left and right a bar of that height can grow.
    """
    count = free.shape[1]
    top, left, right = np.zeros(count, int), np.zeros(count, int), np.full(count, count)
    places, best, largest = np.arange(count), (0, 0, 0, 0), 0
    for row, line in enumerate(free):
        top = np.where(line, top, row + 1)
        begins = np.maximum.accumulate(np.where(line, 0, places + 1))
        ends = np.minimum.accumulate(np.where(line, count, places)[::-1])[::-1]
        left, right = np.where(line, np.maximum(left, begins), 0), np.where(line, np.minimum(right, ends), count)
        areas = np.where(line, (columns[right] - columns[left]) * (rows[row + 1] - rows[np.minimum(top, row)]), 0)
        if areas[at := int(areas.argmax())] > largest:
            largest = int(areas[at])
            x, y = int(columns[left[at]]), int(rows[top[at]])
            best = (x, y, int(columns[right[at]]) - x, int(rows[row + 1]) - y)
    return best
