"""Camera pixels as the model takes them: grey or RGB, contiguous, owned by nobody else.

Formats of GenICam cameras: PFNC 2.4, codes and names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...inspection.base.errors import DataError
from ...inspection.data.bayer import Bayer
from ..frames import PixelRule


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """How a camera writes a pixel.

    Attributes:
        name: In PFNC.
        planes: Values of a pixel.
        bits: Of a value; above 8 each takes two bytes, the lower bits used.
        conversion: Name of OpenCV's conversion to BGR; empty: none is needed.
        bayer: Of a raw mosaic, the colours of its first two rows.
    """

    name: str
    planes: int = 1
    bits: int = 8
    conversion: str = ""
    bayer: Bayer | None = None


def _mosaic(name: str, pattern: Bayer) -> PixelFormat:
    return PixelFormat(name=name, conversion=f"COLOR_Bayer{pattern.upper()}2BGR", bayer=pattern)


FORMATS = {
    0x01080001: PixelFormat(name="Mono8"),
    0x01100003: PixelFormat(name="Mono10", bits=10),
    0x01100005: PixelFormat(name="Mono12", bits=12),
    0x01100025: PixelFormat(name="Mono14", bits=14),
    0x01100007: PixelFormat(name="Mono16", bits=16),
    0x01080008: _mosaic("BayerGR8", "grbg"),
    0x01080009: _mosaic("BayerRG8", "rggb"),
    0x0108000A: _mosaic("BayerGB8", "gbrg"),
    0x0108000B: _mosaic("BayerBG8", "bggr"),
    0x02180014: PixelFormat(name="RGB8", planes=3, conversion="COLOR_RGB2BGR"),
    0x02180015: PixelFormat(name="BGR8", planes=3),
}


def image_of_raw(
    raw: NDArray[np.uint8], code: int, *, size: tuple[int, int], row_padding: int, pixels: PixelRule
) -> NDArray[np.uint8]:
    """Turn a camera's buffer into a frame.

    Args:
        raw: uint8 `[bytes]`, the camera's memory; not kept.
        code: Its pixel format.
        size: Height and width in pixels.
        row_padding: Bytes after each row.
        pixels: What the model takes; more than 8 bits are cut to the upper 8 of the format's, or to the window.

    Returns:
        uint8 `[height, width, channels]`, contiguous, a copy.

    Raises:
        DataError: A pixel format that is not built in, or not the mosaic that the model takes, or fewer bytes than
            pixels.
    """
    import cv2

    from ...inspection.data.images import windowed

    form = FORMATS.get(code)
    if form is None:
        known = ", ".join(each.name for each in FORMATS.values())
        msg = f"wanted one of the pixel formats {known}, got {code:#010x}; set pixel_format"
        raise DataError(msg)
    if pixels.bayer not in (None, form.bayer):
        wanted = next(each.name for each in FORMATS.values() if each.bayer == pixels.bayer)
        msg = f"the model takes raw mosaics, bayer {pixels.bayer}, got {form.name}; set pixel_format: {wanted}"
        raise DataError(msg)
    height, width = size
    row = width * form.planes * (2 if form.bits > 8 else 1)
    if height * (row + row_padding) - row_padding > raw.size:
        msg = f"wanted {height} x {width} pixels in {form.name}, got {raw.size} bytes"
        raise DataError(msg)
    rows = np.lib.stride_tricks.as_strided(raw, (height, row), (row + row_padding, 1))
    values = np.ascontiguousarray(rows)
    if form.bits > 8:
        deep = values.view("<u2")
        values = (deep >> (form.bits - 8)).astype(np.uint8) if pixels.window is None else windowed(deep, pixels.window)
    if pixels.bayer is not None:
        return values.reshape(height, width, 1).copy()
    image = values.reshape(height, width, form.planes) if form.planes > 1 else values
    if form.conversion:
        image = np.asarray(cv2.cvtColor(image, getattr(cv2, form.conversion)), np.uint8)
    return image_of_bgr(image, pixels)


def image_of_bgr(pixels: NDArray[np.uint8], rule: PixelRule) -> NDArray[np.uint8]:
    """Turn what OpenCV captures into a frame.

    Args:
        pixels: uint8 `[height, width]` (grey) or `[height, width, 3]` (BGR); may be overwritten later.
        rule: With 1 channel colour becomes grey (ITU-R BT.601 weights), with 3 grey is repeated.

    Returns:
        uint8 `[height, width, channels]`, contiguous, a copy.

    Raises:
        DataError: Another shape, or colour where the model takes raw mosaics.

    >>> image_of_bgr(np.array([[[255, 0, 0]]], np.uint8), PixelRule(channels=3)).tolist()
    [[[0, 0, 255]]]
    """
    import cv2

    if pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 1):
        grey = pixels.reshape(*pixels.shape[:2], 1)
        return np.repeat(grey, rule.channels, axis=2)
    if rule.bayer is not None:
        msg = f"the model takes raw mosaics, bayer {rule.bayer}, got a picture in colour; let it give raw frames"
        raise DataError(msg)
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        msg = f"frame: wanted grey or three colours, got shape {pixels.shape}; choose another pixel format"
        raise DataError(msg)
    wanted = cv2.COLOR_BGR2GRAY if rule.channels == 1 else cv2.COLOR_BGR2RGB
    return np.ascontiguousarray(cv2.cvtColor(pixels, wanted).reshape(*pixels.shape[:2], rule.channels), np.uint8)
