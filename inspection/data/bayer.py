"""Frames as a colour sensor takes them: a mosaic, of which each pixel saw one colour (B. E. Bayer, US patent 3971065).

Which one repeats every two pixels both ways; a pattern names the colours of the first two rows, such as `rggb`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Bayer = Literal["rggb", "bggr", "grbg", "gbrg"]
"""Colours of the pixels (0, 0), (0, 1), (1, 0) and (1, 1), as row and column."""

Pixels = NDArray[np.uint8]


def coloured(mosaic: Pixels, pattern: Bayer) -> Pixels:
    """Give every pixel all three colours: what it did not see itself is interpolated from its neighbours.

    Args:
        mosaic: uint8 `[height, width, 1]`, both >= 3; rows may lie apart in memory.
        pattern: Of its first two rows.

    Returns:
        uint8 `[height, width, 3]`, RGB, C-contiguous.

    >>> coloured(np.array([[[9], [5], [9]], [[5], [1], [5]], [[9], [5], [9]]], np.uint8), "rggb")[1, 1].tolist()
    [9, 5, 1]
    """
    import cv2

    # OpenCV's names with all four letters are ours; those with two (BayerBG) begin at the second row and column.
    return np.asarray(cv2.cvtColor(mosaic, getattr(cv2, f"COLOR_Bayer{pattern.upper()}2RGB")), np.uint8)


def in_colour(frame: Pixels, pattern: Bayer | None) -> Pixels:
    """Give a frame as people are to see it: RGB where it is a mosaic, itself where there is no pattern."""
    return frame if pattern is None else coloured(frame, pattern)


def colour_planes(mosaic: Pixels, pattern: Bayer) -> tuple[Pixels, Pixels, Pixels]:
    """Make one pixel of two by two: nothing is interpolated, and each plane shrinks on as fast as a grey frame.

    The two pixels that saw green are averaged. Red and blue lie half a pixel of the mosaic beside the middle of the
    four, a quarter of a pixel of what is made.

    Args:
        mosaic: uint8 `[height, width, 1]`, both even; rows may lie apart in memory.
        pattern: Of its first two rows.

    Returns:
        Red, green and blue, uint8 `[height / 2, width / 2]`; rows may lie apart in memory.

    >>> [plane.tolist() for plane in colour_planes(np.array([[[9], [4]], [[6], [1]]], np.uint8), "rggb")]
    [[[9]], [[5]], [[1]]]
    """
    import cv2

    height, width = mosaic.shape[:2]
    left, right = cv2.split(mosaic.reshape(height, width // 2, 2))
    seen = list(zip(pattern, (left[::2], right[::2], left[1::2], right[1::2]), strict=True))
    red, blue = (next(plane for each, plane in seen if each == colour) for colour in "rb")
    greens = [plane for each, plane in seen if each == "g"]
    return red, np.asarray(cv2.addWeighted(greens[0], 0.5, greens[1], 0.5, 0), np.uint8), blue
