"""Camera frames and masks from files: PNG, JPEG, BMP, TIFF; 8 and 16 bit; grey and colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..base.errors import DataError
from .headers import Header, header_of

MAX_PIXELS = 100_000_000
_MAX_BYTES = 1 << 30


def read_frame(path: Path, *, channels: int, bit_depth: int = 8) -> NDArray[np.uint8]:
    """Read an image as the camera would send it.

    Args:
        path: PNG, JPEG, BMP or TIFF, told apart by content.
        channels: 1 (grey, ITU-R BT.601 weights for colour files) or 3 (RGB order, grey files repeated).
        bit_depth: Bits that a 16-bit file really uses, 8 to 16; the upper 8 of them are kept, as cameras do. Has no
            effect on 8-bit files.

    Returns:
        uint8 (height, width, channels), contiguous; 1-bit files give 0 and 255. Rotation tags are not followed.

    Raises:
        DataError: The file is missing, truncated, damaged or above 100 megapixels, or has values above `bit_depth`.
    """
    return frame_of_content(path, read_bytes(path), channels=channels, bit_depth=bit_depth)


def frame_of_content(
    path: Path, content: bytes, *, channels: int, bit_depth: int = 8, most_bytes: int | None = None
) -> NDArray[np.uint8]:
    """Read an image file that is in memory already; everything is as for `read_frame`.

    Args:
        path: Names it in messages.
        content: The whole file.
        channels: As of `read_frame`.
        bit_depth: As of `read_frame`.
        most_bytes: That the file may take decoded, with its own channels and depth; None: 100 megapixels are the limit.

    Raises:
        DataError: As for `read_frame`.
    """
    if most_bytes is not None and (header := _header(path, content)).decoded_bytes > most_bytes:
        size = f"{header.width} x {header.height} pixels of {header.pixel_bytes} bytes"
        msg = f"{path}: wanted at most {most_bytes / 1e6:g} MB decoded, got {size}; see largest_frame_mb"
        raise DataError(msg)
    pixels = _to_8_bits(path, decode(path, content), bit_depth)
    if pixels.ndim == 2:
        return np.ascontiguousarray(np.repeat(pixels[:, :, None], channels, axis=2))
    converted = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY if channels == 1 else cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(converted.reshape(*pixels.shape[:2], channels), dtype=np.uint8)


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read a mask, True where the part is defective.

    A mask whose largest value is in the upper half of its range is cut at the middle (soft edges); any other holds
    class numbers, as VisA's do, and is cut above zero.

    Returns:
        bool (height, width); in a colour mask the largest channel counts.

    Raises:
        DataError: As for `read_frame`.
    """
    pixels = decode(path, read_bytes(path))
    values = pixels if pixels.ndim == 2 else pixels.max(axis=2)
    middle = np.iinfo(values.dtype).max // 2
    marked: NDArray[np.bool_] = values > (middle if values.max() > middle else 0)
    return marked


def probe(path: Path) -> Header:
    """Give an image's container and size without decoding it.

    Raises:
        DataError: The file is missing, truncated or no image.
    """
    return _header(path, read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """Read a whole regular file of at most 1 GiB.

    Raises:
        DataError: It is missing, unreadable, larger, or no regular file.
    """
    try:
        if path.exists() and not path.is_file():
            msg = f"{path}: wanted an image file, got a folder or a device"
            raise DataError(msg)
        if path.stat().st_size > _MAX_BYTES:
            msg = f"{path}: wanted an image of at most 1 GiB, got {path.stat().st_size} bytes"
            raise DataError(msg)
        return path.read_bytes()
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise DataError(msg) from error


def decode(path: Path, content: bytes) -> NDArray[Any]:
    """Decode an image file's bytes.

    Args:
        path: Names the file in messages.
        content: The whole file.

    Returns:
        uint8 or uint16, (height, width) or (height, width, 3) in BGR order; transparency is dropped.

    Raises:
        DataError: Truncated, damaged, above 100 megapixels, or of another pixel type.
    """
    header = _header(path, content)
    if header.height * header.width > MAX_PIXELS:
        msg = f"{path}: wanted at most {MAX_PIXELS:,} pixels, got {header.width} x {header.height}"
        raise DataError(msg)
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        msg = f"{path}: damaged {header.kind.upper()}: {error.err}"
        raise DataError(msg) from error
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        msg = f"{path}: damaged {header.kind.upper()}, its pixels cannot be decoded"
        raise DataError(msg)
    if pixels.dtype not in (np.uint8, np.uint16):
        msg = f"{path}: wanted 8- or 16-bit pixels, got {pixels.dtype}; convert the file"
        raise DataError(msg)
    return _without_transparency(pixels)


def _header(path: Path, content: bytes) -> Header:
    try:
        return header_of(content)
    except DataError as error:
        msg = f"{path}: {error}"
        raise DataError(msg) from error


def _without_transparency(pixels: NDArray[Any]) -> NDArray[Any]:
    if pixels.ndim == 2:
        return pixels
    return pixels[:, :, :3] if pixels.shape[2] >= 3 else pixels[:, :, 0]


def _to_8_bits(path: Path, pixels: NDArray[Any], bit_depth: int) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels
    peak = int(pixels.max())
    if peak >= 1 << bit_depth:
        msg = (
            f"{path}: wanted values of {bit_depth} bits, got {peak}; set data.bit_depth to {peak.bit_length()} or more"
        )
        raise DataError(msg)
    return (pixels >> (bit_depth - 8)).astype(np.uint8)
