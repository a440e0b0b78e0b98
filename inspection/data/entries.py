"""What one look into an image file shows: digest, size and a thumbnail."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .images import decode, read_bytes

THUMBNAIL = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What opening an image once has shown.

    Attributes:
        digest: `sha256:<hex>` of the file.
        height: Pixels.
        width: Pixels.
        colour: Whether any pixel is not grey; a grey image stored in three channels is not in colour.
        bits: 8 or 16 per channel, as stored.
        peak: Largest value, 0 to 65535.
        thumbnail: uint8, 24 x 24, grey, row by row, averaged over areas.
    """

    digest: str
    height: int
    width: int
    colour: bool
    bits: int
    peak: int
    thumbnail: bytes


def entry_of(file: Path) -> Entry:
    """Open one image.

    Raises:
        DataError: It is missing, truncated or no image; the message names it.
    """
    content = read_bytes(file)
    pixels = decode(file, content)
    return Entry(
        digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
        height=pixels.shape[0],
        width=pixels.shape[1],
        colour=_in_colour(pixels),
        bits=8 * pixels.dtype.itemsize,
        peak=int(pixels.max()),
        thumbnail=_thumbnail(pixels).tobytes(),
    )


def _in_colour(pixels: NDArray[Any]) -> bool:
    if pixels.ndim == 2:
        return False
    blue, green, red = (pixels[:, :, channel] for channel in range(3))
    return not (np.array_equal(blue, green) and np.array_equal(green, red))


def _thumbnail(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Shrink to 24 x 24; 16-bit images are stretched by their own peak, since their true depth is not known here."""
    small = cv2.resize(pixels, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32)
    grey = small if small.ndim == 2 else small.mean(axis=2)
    scale = 1.0 if pixels.dtype == np.uint8 else 255.0 / max(1, int(pixels.max()))
    thumbnail: NDArray[np.uint8] = np.rint(grey * scale).astype(np.uint8)
    return thumbnail
