"""Camera pixels as the model takes them: grey or RGB, contiguous, owned by nobody else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...inspection.base.errors import DataError


def image_of_bgr(pixels: NDArray[np.uint8], *, channels: int) -> NDArray[np.uint8]:
    """Turn what OpenCV captures into a frame.

    Args:
        pixels: uint8 `[height, width]` (grey) or `[height, width, 3]` (BGR); may be overwritten later.
        channels: 1 (grey, ITU-R BT.601 weights for colour) or 3 (RGB, grey repeated).

    Returns:
        uint8 `[height, width, channels]`, contiguous, a copy.

    Raises:
        DataError: Another shape.

    >>> image_of_bgr(np.array([[[255, 0, 0]]], np.uint8), channels=3).tolist()
    [[[0, 0, 255]]]
    """
    import cv2

    if pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 1):
        grey = pixels.reshape(*pixels.shape[:2], 1)
        return np.repeat(grey, channels, axis=2)
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        msg = f"frame: wanted grey or three colours, got shape {pixels.shape}; choose another pixel format"
        raise DataError(msg)
    wanted = cv2.COLOR_BGR2GRAY if channels == 1 else cv2.COLOR_BGR2RGB
    return np.ascontiguousarray(cv2.cvtColor(pixels, wanted).reshape(*pixels.shape[:2], channels), np.uint8)
