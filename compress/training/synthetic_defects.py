"""Made-up defects: a stroke or a blot over a good view, filled with what stands elsewhere in that view.

After CutPaste (Li et al. 2021, arXiv 2104.04015), whose cut-and-pasted scars are told from untouched images. A stroke
on a circuit board joins, cuts, bites or dots, on a ground surface it scratches: what is wrong is where it is.
"""

from __future__ import annotations

from itertools import pairwise
from math import tau

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_TRIES = 8
_SEEN_GREY_LEVELS = 10.0
_SEEN_SHARE = 0.5  # of the view's standard deviation: what a pixel must change by to be seen
_SEEN_PIXELS = 12
_HALO_PIXELS = 2  # masks drawn by people reach beyond the defect


def with_synthetic_defect(pixels: Pixels, generator: np.random.Generator) -> tuple[Pixels, Pixels] | None:
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
    """Draw a ragged line that wanders, long and thin or short and thick: uint8 `[height, width]`, 255 on it."""
    edge = min(size)
    reach = float(edge * np.exp(generator.uniform(np.log(0.08), np.log(0.4))))
    thickest = int(generator.integers(2, max(3, edge // 12) + 1))
    pieces = int(generator.integers(2, 9))
    headings = generator.uniform(0, tau) + np.cumsum(generator.normal(0, 0.7, size=pieces))
    steps = reach / pieces * np.column_stack([np.cos(headings), np.sin(headings)])
    start = generator.uniform(0, 1, size=2) * (size[1], size[0])
    corners = np.round(start + np.vstack([np.zeros(2), np.cumsum(steps, axis=0)])).astype(int).tolist()
    canvas = np.zeros(size, np.uint8)
    for one, other in pairwise(corners):
        cv2.line(canvas, one, other, 255, int(generator.integers(1, thickest + 1)))
    return canvas


def _filling(pixels: Pixels, generator: np.random.Generator) -> Pixels:
    """Fill with one pixel's colour or with the view itself, moved: uint8, to be spread over the view's shape."""
    down, right = int(generator.integers(pixels.shape[0])), int(generator.integers(pixels.shape[1]))
    if generator.random() < 0.5:
        pixel: Pixels = pixels[down, right]
        return pixel
    moved: Pixels = np.roll(pixels, (down, right), axis=(0, 1))
    return moved
