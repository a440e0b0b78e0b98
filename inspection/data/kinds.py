"""Where a sample's defects are: its areas drawn, or its mask file read; all together, or kind by kind."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from .areas import Area, Box, mask_of_runs
from .dataset import Dataset, Sample
from .masks import read_kinds, read_mask

_SUBPIXEL_BITS = 4


def defect_mask(dataset: Dataset, sample: Sample) -> NDArray[np.bool_]:
    """Show where a sample is defective: bool `[height, width]`.

    All False for a good sample, and for a defective one of which nobody said where (`sample.marked` is False).

    Raises:
        DataError: A mask file cannot be read.
    """
    if sample.mask is not None:
        return _seen(dataset, sample.mask, read_mask(dataset.root / sample.mask, dataset.masks))
    marked = np.zeros((sample.height, sample.width), np.bool_)
    for area in sample.areas:
        draw_area(marked, area)
    return marked


def kind_masks(dataset: Dataset, sample: Sample) -> NDArray[np.bool_]:
    """Show where a sample has which kind of defect: bool `[kinds, height, width]`, in the order of `dataset.kinds`.

    Kinds may overlap. All False where nobody said where; `sample.kinds` names the kinds even then.

    Raises:
        DataError: A mask file cannot be read.
    """
    places = {kind: at for at, kind in enumerate(dataset.kinds)}
    marked = np.zeros((len(places), sample.height, sample.width), np.bool_)
    if sample.mask is not None and dataset.masks.kinds:
        for kind, mask in read_kinds(dataset.root / sample.mask, dataset.masks).items():
            marked[places[kind]] |= _seen(dataset, sample.mask, mask)
    elif sample.mask is not None:
        marked[places[sample.label]] = defect_mask(dataset, sample)
    for area in sample.areas:
        draw_area(marked[places[area.kind]], area)
    return marked


def defects_of(dataset: Dataset, sample: Sample) -> list[tuple[str, Box]]:
    """List a sample's defects with kind and box in pixels: its areas, or the connected areas of its mask.

    Raises:
        DataError: A mask file cannot be read.
    """
    if sample.mask is None:
        return [(area.kind, area.box) for area in sample.areas]
    masks = kind_masks(dataset, sample)
    return [(kind, box) for kind, mask in zip(dataset.kinds, masks, strict=True) for box in _boxes(mask)]


def defect_lengths(dataset: Dataset, samples: Iterable[Sample]) -> dict[str, float]:
    """Give by path how long the largest defect of each marked sample is: the longer side of its box in camera pixels.

    Samples without a mark are left out.

    Raises:
        DataError: A mask file cannot be read.
    """
    boxes = {each.path: [box for _, box in defects_of(dataset, each)] for each in samples if each.marked}
    return {
        path: max(max(right - left, bottom - top) for left, top, right, bottom in found)
        for path, found in boxes.items()
        if found
    }


def draw_area(marked: NDArray[np.bool_], area: Area) -> None:
    """Mark an area in a mask `[height, width]`; the smallest one marks at least one pixel of an image it touches."""
    if area.shape == "runs":
        marked |= mask_of_runs(area.runs, area.size)
    elif area.shape == "box":
        left, top, right, bottom = (round(value) for value in area.box)
        marked[max(0, top) : max(top + 1, bottom), max(0, left) : max(left + 1, right)] = True
    else:
        drawn = np.zeros(marked.shape, np.uint8)
        for ring in area.rings:
            corners = (np.array(ring).reshape(-1, 2) - 0.5) * (1 << _SUBPIXEL_BITS)
            cv2.fillPoly(drawn, [np.rint(corners).astype(np.int32)], 1, shift=_SUBPIXEL_BITS)
        marked |= drawn > 0


def _seen(dataset: Dataset, path: str, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cut a mask to the camera's region, where there is one."""
    region = dataset.camera.region
    return mask if region is None else np.ascontiguousarray(region.cut(mask, source=path))


def _boxes(mask: NDArray[np.bool_]) -> list[Box]:
    """Box the connected areas; only around what is marked, for each pixel's label takes four bytes."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return []
    top, left = int(rows[0]), int(columns[0])
    around = mask[top : rows[-1] + 1, left : columns[-1] + 1].astype(np.uint8)
    _, _, found, _ = cv2.connectedComponentsWithStats(around, connectivity=8)
    return [
        (float(left + x), float(top + y), float(left + x + width), float(top + y + height))
        for x, y, width, height, _ in found[1:].tolist()
    ]
