"""How far a box's sides are off where a network does exactly what training asks for, by the level that is its rim.

python -m beltline.studies.station.box_sides

Boxes of many sizes and places are turned into the share of each cell that they cover, these into heatmaps by training's
rule (a cell counts as defective from a quarter on; those with less count for neither), and heatmaps back into boxes.
"""

from __future__ import annotations

import argparse
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

Rims = Literal["good", "half", "defective", "blurred", "share"]
"""What the network says of cells that count for neither; blurred: one half, smoothed; share: what is covered."""

SIDES = (2, 4, 6, 8, 12, 16, 24, 32, 48, 80)
RIMS = (0.5, 0.6, 0.7, 0.75)
_QUARTER = 0.25


def covered(box: tuple[float, float, float, float], cells: int, cell: int) -> NDArray[np.float64]:
    """Say which share of each cell a box (left, top, right, bottom; in px) covers: `[cells, cells]`."""
    starts = np.arange(cells) * cell
    across, down = (
        np.clip(np.minimum(box[end], starts + cell) - np.maximum(box[end - 2], starts), 0, cell) / cell
        for end in (2, 3)
    )
    return np.outer(down, across)


def heatmap_of(share: NDArray[np.float64], rims: Rims, peak: int) -> NDArray[np.uint8]:
    """Give what a network that has learned the rule of `compress.training.losses` says: uint8, `peak` at most."""
    defective = (share > 0) & (share >= min(share.max() / 2, _QUARTER))
    if rims == "share":
        heat = share / share.max()
    else:
        heat = defective.astype(np.float64)
        heat[(share > 0) & ~defective] = {"good": 0.0, "defective": 1.0}.get(rims, 0.5)
    if rims == "blurred":
        heat = np.asarray(cv2.GaussianBlur(heat, (0, 0), 0.6), np.float64)
        heat /= heat.max()
    return np.asarray(np.rint(heat * peak), np.uint8)


def sides_at(heat: NDArray[np.uint8], rim: int, cell: int) -> NDArray[np.float64]:
    """Read left, top, right and bottom in px as `findings.find` does, with any level as the rim; one area."""
    outside = np.pad(heat.astype(np.float64), 1)
    _, labels = cv2.connectedComponents((outside >= rim).astype(np.uint8), connectivity=8)
    rows, columns = np.nonzero(labels == labels.ravel()[outside.argmax()])
    value, found = outside[rows, columns], []
    for right, down in ((-1, 0), (0, -1), (1, 0), (0, 1)):
        next_to = outside[rows + down, columns + right]
        at = next_to < rim
        reach = (value[at] - rim + 0.5) / (value[at] - next_to[at])
        place = (columns if right else rows)[at] + reach * (right + down)
        found.append(place.min() if right + down < 0 else place.max())
    return (np.array(found) - 0.5) * cell


def errors_px(
    side: float, cell: int, rims: Rims, *, peak: int = 255, boxes: int = 120
) -> dict[float, NDArray[np.float64]]:
    """Give how far each side of such boxes is outside of the true one, px `[boxes, 4]`, by the rim's share of one."""
    generator = np.random.default_rng(0)
    errors: dict[float, list[NDArray[np.float64]]] = {share: [] for share in RIMS}
    for left, top in generator.uniform(16, 16 + cell, (boxes, 2)):
        true = (left, top, left + side, top + side)
        heat = heatmap_of(covered(true, int(side + 48) // cell + 2, cell), rims, peak)
        for share in RIMS:
            errors[share].append((sides_at(heat, round(share * 256), cell) - true) * (-1, -1, 1, 1))
    return {share: np.array(each) for share, each in errors.items()}


def main() -> None:
    """Print a row for each network and size: bias of an edge and median error of a side, for each rim."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cell", type=int, default=4, help="camera pixels of a cell")
    parser.add_argument("--peak", type=int, default=255, help="highest value of the heatmap, at least 192")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    for rims in get_args(Rims):
        for side in SIDES:
            cells = []
            for share, each in errors_px(side, options.cell, rims, peak=options.peak).items():
                sides = np.abs(np.stack((each[:, 0] + each[:, 2], each[:, 1] + each[:, 3])))
                cells.append(f"{share:.2f}: bias {each.mean():+.2f} sd {each.std():.2f} side {np.median(sides):.2f}")
            print(f"{rims}, {side} px: {'; '.join(cells)}")  # noqa: T201


if __name__ == "__main__":
    main()
