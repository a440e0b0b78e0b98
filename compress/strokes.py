"""Made-up defects: a stroke or a blot over a good view, filled with what stands elsewhere in that view.

After CutPaste (Li et al. 2021, arXiv 2104.04015), whose cut-and-pasted scars are told from untouched images. A stroke
on a circuit board joins, cuts, bites or dots, on a ground surface it scratches: what is wrong is where it is.
"""

from __future__ import annotations

from math import cos, sin, tau

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_TRIES = 8
_SEEN_GREY_LEVELS = 10.0
_SEEN_SHARE = 0.5  # of the view's standard deviation: what a pixel must change by to be seen
_SEEN_PIXELS = 12
_HALO_PIXELS = 2  # masks drawn by people reach beyond the defect


def struck(pixels: Pixels, generator: np.random.Generator) -> tuple[Pixels, Pixels] | None:
    """Draw one stroke that can be seen.

    Args:
        pixels: A good view, uint8 `[height, width, channels]`; not changed.
        generator: Chooses place, shape and filling.

    Returns:
        The view with the stroke, and its mask, uint8 `[height, width]`, 255 = defective; None where nothing in the
        view would show on it, such as on a blank one.
    """
    limit = max(_SEEN_GREY_LEVELS, _SEEN_SHARE * float(pixels.std()))
    for _ in range(_TRIES):
        under = _shape((pixels.shape[0], pixels.shape[1]), generator)[..., None] > 0
        made: Pixels = np.where(under, _filling(pixels, generator), pixels)
        changed = cv2.absdiff(made, pixels).reshape(pixels.shape).max(axis=2) >= limit
        if int(changed.sum()) >= _SEEN_PIXELS:
            return made, _with_halo(changed)
    return None


def _with_halo(changed: NDArray[np.bool_]) -> Pixels:
    halo = np.ones((2 * _HALO_PIXELS + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(changed.astype(np.uint8) * 255, halo), np.uint8)


def _shape(size: tuple[int, int], generator: np.random.Generator) -> Pixels:
    """Draw a line that wanders, long and thin or short and thick: uint8 `[height, width]`, 255 on it."""
    edge = min(size)
    reach = float(np.exp(generator.uniform(np.log(2), np.log(0.4 * edge))))
    thickness = int(generator.integers(2, max(3, edge // 12) + 1))
    turns = int(generator.integers(1, 6))
    heading = generator.uniform(0, tau)
    point = generator.uniform(0, 1, size=2) * (size[1], size[0])
    points = [point]
    for _ in range(turns):
        heading += generator.normal(0, 0.6)
        point = point + reach / turns * np.array([cos(heading), sin(heading)])
        points.append(point)
    canvas = np.zeros(size, np.uint8)
    corners = np.round(np.stack(points)).astype(np.int32)
    return np.asarray(cv2.polylines(canvas, [corners], isClosed=False, color=255, thickness=thickness), np.uint8)


def _filling(pixels: Pixels, generator: np.random.Generator) -> Pixels:
    """Fill with one pixel's colour or with the view itself, moved: uint8, to be spread over the view's shape."""
    down, right = int(generator.integers(pixels.shape[0])), int(generator.integers(pixels.shape[1]))
    if generator.random() < 0.5:
        pixel: Pixels = pixels[down, right]
        return pixel
    moved: Pixels = np.roll(pixels, (down, right), axis=(0, 1))
    return moved
