"""What a photograph looks like in a few numbers, whatever it shows: how light, how contrasty, how sharp, how clipped.

Lamps age, lenses get dirty, somebody opens the aperture: these numbers move before decisions do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

APPEARANCE = ("brightness", "contrast", "sharpness", "clipped")
_SIDE = 256


def appearance_of(image: NDArray[np.uint8]) -> dict[str, float]:
    """Measure a photograph on a grid of at most some 512 x 512 of its pixels.

    Args:
        image: uint8 `[height, width, channels]`.

    Returns:
        `brightness` (mean) and `contrast` (standard deviation) in grey values, `sharpness` (mean absolute difference
        of horizontal neighbours, grey values), `clipped` (share of values that are 0 or 255); over all channels.

    >>> appearance_of(np.array([[[0], [255]], [[100], [110]]], np.uint8))
    {'brightness': 116.25, 'contrast': 90.9241, 'sharpness': 132.5, 'clipped': 0.5}
    """
    rows, columns = (max(1, length // _SIDE) for length in image.shape[:2])
    seen = image[::rows, ::columns]
    left, right = image[::rows, :-1:columns].astype(np.int16), image[::rows, 1::columns]
    found = (
        seen.mean(),
        seen.std(),
        np.abs(left - right).mean() if left.size else 0.0,
        ((seen == 0) | (seen == 255)).mean(),
    )
    return {name: round(float(value), 4) for name, value in zip(APPEARANCE, found, strict=True)}
