"""Pictures for people: a frame as PNG for keeps, and small with the model's heat on it for the screen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...inspection.base.packages import missing_package

Pixels = NDArray[np.uint8]

_HEAT_BGR = (0, 106, 255)
_SHARE = 0.72
_JPEG_QUALITY = 80
_PNG_EFFORT = 1


def pictures_missing() -> str | None:
    """Say what pictures need and is not installed, or None."""
    return missing_package("cv2", "station")


def png_of(image: Pixels) -> bytes:
    """Encode a frame or a heatmap without loss.

    Args:
        image: uint8 `[height, width]` or `[height, width, 1 or 3]`, RGB.
    """
    import cv2

    drawn = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 and image.shape[2] == 3 else image
    return bytes(cv2.imencode(".png", drawn, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT])[1])


def screen_picture(image: Pixels, heatmap: Pixels | None, *, side_px: int) -> bytes:
    """Draw a frame for the screen, with the heat in orange, as JPEG.

    Args:
        image: uint8 `[height, width, 1 or 3]`, RGB.
        heatmap: uint8 `[rows, columns]`, covering the whole frame; None: there is none.
        side_px: Length of the longer side; smaller frames are not enlarged.
    """
    import cv2

    height, width = image.shape[:2]
    factor = min(1.0, side_px / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    drawn = cv2.cvtColor(small, cv2.COLOR_GRAY2BGR if image.shape[2] == 1 else cv2.COLOR_RGB2BGR)
    if heatmap is not None and heatmap.size:
        share = cv2.resize(heatmap, size, interpolation=cv2.INTER_LINEAR)[..., None] * (_SHARE / 255)
        drawn = (drawn * (1 - share) + np.array(_HEAT_BGR) * share).round().astype(np.uint8)
    return bytes(cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1])
