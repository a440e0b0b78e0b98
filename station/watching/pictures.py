"""Pictures for people: a frame as PNG for keeps, and small with the model's heat on it for the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...inspection.base.packages import missing_package
from ...inspection.data.preparation import resized

Pixels = NDArray[np.uint8]

_HEAT_BGR = (0, 106, 255)
_BOX_BGR = (255, 200, 0)
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
    drawn = np.ascontiguousarray(drawn)
    return bytes(cv2.imencode(".png", drawn, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT])[1])


def screen_picture(
    image: Pixels,
    heatmap: Pixels | None,
    *,
    side_px: int,
    findings: Sequence[Mapping[str, Any]] = (),
    origin: tuple[int, int] = (0, 0),
) -> bytes:
    """Draw a frame for the screen, with the heat in orange and findings in boxes, as JPEG.

    Args:
        image: uint8 `[height, width, 1 or 3]`, RGB.
        heatmap: uint8 `[rows, columns]`, covering the whole frame; None: there is none.
        side_px: Length of the longer side; smaller frames are not enlarged.
        findings: As `Finding.to_json`, in camera pixels.
        origin: Camera pixels left of the image and above it.
    """
    import cv2

    height, width = image.shape[:2]
    factor = min(1.0, side_px / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = resized(image, size[1], size[0])
    drawn = cv2.cvtColor(small, cv2.COLOR_GRAY2BGR if image.shape[2] == 1 else cv2.COLOR_RGB2BGR)
    if heatmap is not None and heatmap.size:
        share = cv2.resize(heatmap, size, interpolation=cv2.INTER_LINEAR)[..., None] * (_SHARE / 255)
        drawn = (drawn * (1 - share) + np.array(_HEAT_BGR) * share).round().astype(np.uint8)
    draw_boxes(drawn, findings, origin=origin, scale=factor)
    return bytes(cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1])


def draw_boxes(
    image: Pixels, findings: Sequence[Mapping[str, Any]], *, origin: tuple[int, int] = (0, 0), scale: float = 1.0
) -> None:
    """Draw findings' boxes with their kinds onto a picture.

    Args:
        image: uint8 `[height, width, 3]`, BGR; drawn on.
        findings: As `Finding.to_json`, in camera pixels.
        origin: Camera pixels left of the picture and above it.
        scale: Of the picture to the camera's frame.
    """
    import cv2

    thick = max(1, round(max(image.shape[:2]) / 640))
    for finding in findings:
        x, y, width, height = finding["box"]
        left, top, width, height = (each * scale for each in (x - origin[0], y - origin[1], width, height))
        corners = (round(left) - thick, round(top) - thick), (round(left + width) + thick, round(top + height) + thick)
        cv2.rectangle(image, *corners, _BOX_BGR, thick)
        text = (corners[0][0], max(12 * thick, corners[0][1] - 3 * thick))
        cv2.putText(image, str(finding["kind"])[:40], text, cv2.FONT_HERSHEY_SIMPLEX, 0.4 * thick, _BOX_BGR, thick)


def boxed_png(image: Pixels, findings: Sequence[Mapping[str, Any]], *, origin: tuple[int, int] = (0, 0)) -> bytes:
    """Encode a frame with its findings in boxes; `image` as for `png_of`, the others as for `draw_boxes`."""
    import cv2

    drawn = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR if image.ndim == 2 or image.shape[2] == 1 else cv2.COLOR_RGB2BGR)
    draw_boxes(drawn, findings, origin=origin)
    return bytes(cv2.imencode(".png", drawn, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT])[1])
