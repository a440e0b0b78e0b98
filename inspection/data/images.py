"""Camera frames from files: PNG, JPEG, BMP, TIFF, WebP, JPEG 2000, PGM/PPM; 8 and 16 bit; grey and colour."""

from __future__ import annotations

import struct
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..base.errors import DataError
from .headers import MOST_PIXELS, Header, header_of, unturned

MOST_DECODED_BYTES = 1 << 30
"""That an image may take decoded, with its own channels and depth."""

_MAX_BYTES = 1 << 30
_NO_MEMORY = -4  # cv::Error::StsNoMem
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})  # of JPEG: no length follows
_FURTHER = bytes((37 * at + 11) % 251 for at in range(256))  # no 0xFF: coded data without a marker


def read_frame(
    path: Path, *, channels: int, bit_depth: int = 8, window: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """Read an image as the camera would send it.

    Args:
        path: Any of the kinds above, told apart by content.
        channels: 1 (grey, ITU-R BT.601 weights for colour files) or 3 (RGB order, grey files repeated).
        bit_depth: Bits that a 16-bit file really uses, 8 to 16; the upper 8 of them are kept, as cameras do. Has no
            effect on 8-bit files.
        window: Instead of `bit_depth`: levels of 16-bit files that become 0 and 255; what lies outside is clipped.

    Returns:
        uint8 (height, width, channels), contiguous; 1-bit files give 0 and 255. Pixels lie as they are stored:
        orientation tags are followed in no kind of file. Of several pages, the first.

    Raises:
        DataError: The file is missing, truncated, damaged or larger than `decode_with_header` takes, or has values
            above `bit_depth`.
    """
    return frame_of_content(path, read_bytes(path), channels=channels, bit_depth=bit_depth, window=window)


def frame_of_content(
    path: Path,
    content: bytes,
    *,
    channels: int,
    bit_depth: int = 8,
    window: tuple[int, int] | None = None,
    most_bytes: int | None = None,
    mosaic: bool = False,
) -> NDArray[np.uint8]:
    """Read an image file that is in memory already; everything is as for `read_frame`.

    Args:
        path: Names it in messages.
        content: The whole file.
        channels: As of `read_frame`.
        bit_depth: As of `read_frame`.
        window: As of `read_frame`.
        most_bytes: That the file may take decoded, with its own channels and depth; None: 1 GiB.
        mosaic: The camera's raw mosaic is wanted, and a picture in colour refused.

    Raises:
        DataError: As for `read_frame`.
    """
    if most_bytes is not None and (header := _header(path, content)).decoded_bytes > most_bytes:
        size = f"{header.width} x {header.height} pixels of {header.pixel_bytes} bytes"
        msg = f"{path}: wanted at most {most_bytes / 1e6:g} MB decoded, got {size}; see largest_frame_mb"
        raise DataError(msg)
    pixels = decode_with_header(path, content)[1]
    require_whole_jpeg(path, content, pixels)
    pixels = _without_transparency(pixels)
    if mosaic and has_colour(pixels):
        msg = f"{path}: the model takes raw mosaics (bayer), got a picture in colour; give it what the camera sends"
        raise DataError(msg)
    pixels = _to_8_bits(path, pixels, bit_depth) if window is None else windowed(pixels, window)
    if pixels.ndim == 2:
        return np.ascontiguousarray(np.repeat(pixels[:, :, None], channels, axis=2))
    converted = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY if channels == 1 else cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(converted.reshape(*pixels.shape[:2], channels), dtype=np.uint8)


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


def decode_with_header(path: Path, content: bytes) -> tuple[Header, NDArray[Any]]:
    """Decode an image file's bytes.

    Args:
        path: Names the file in messages.
        content: The whole file.

    Returns:
        Its header, and uint8 or uint16, (height, width) or (height, width, 3 or 4) in BGR order, then transparency.

    Raises:
        DataError: Truncated, damaged, above 16384 x 16384 pixels or 1 GiB decoded, or of another pixel type.
    """
    header = checked_header(path, content)
    return header, decoded(path, content, header)


def checked_header(path: Path, content: bytes) -> Header:
    """Read an image file's header, which says what decoding it will take.

    Raises:
        DataError: Truncated, damaged, or larger than is decoded; nothing was decoded yet.
    """
    header = _header(path, content)
    if header.height * header.width > MOST_PIXELS or header.decoded_bytes > MOST_DECODED_BYTES:
        msg = (
            f"{path}: wanted at most {MOST_PIXELS:,} pixels, such as 16384 x 16384, and {MOST_DECODED_BYTES:,} bytes "
            f"decoded, got {header.width} x {header.height} of {header.pixel_bytes} bytes; cut it, or let the camera "
            "gather fewer lines"
        )
        raise DataError(msg)
    return header


def decoded(path: Path, content: bytes, header: Header) -> NDArray[Any]:
    """Decode an image file of which `checked_header` gave the header; all else is as for `decode_with_header`."""
    stored = unturned(content) if header.kind == "tiff" and header.orientation != 1 else content
    try:
        pixels: NDArray[Any] | None = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if error.code == _NO_MEMORY:
            msg = f"{path}: no memory is left to decode {header.width} x {header.height} pixels; free some, or cut it"
            raise DataError(msg) from error
        msg = f"{path}: damaged {header.kind.upper()}: {error.err}"
        raise DataError(msg) from error
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        msg = f"{path}: damaged {header.kind.upper()}, its pixels cannot be decoded"
        raise DataError(msg)
    if pixels.dtype not in (np.uint8, np.uint16):
        msg = f"{path}: wanted 8- or 16-bit pixels, got {pixels.dtype}; convert the file"
        raise DataError(msg)
    return pixels


def require_whole_jpeg(path: Path, content: bytes, pixels: NDArray[Any]) -> None:
    """Refuse a JPEG whose data was cut and which was given an end marker again: its rest decodes as grey.

    Decoders fill what is missing with coefficients of zero, so the last block is an even 128. Whether it was
    missing shows when further data is put before the end marker: a whole image ignores it, a cut one goes on with it.

    Args:
        path: Names the file in messages.
        content: The whole file; of another kind than JPEG: nothing is checked.
        pixels: As decoded.

    Raises:
        DataError: It was cut.
    """
    if not content.startswith(b"\xff\xd8\xff"):
        return
    reason = _incomplete_jpeg(content)
    height, width = pixels.shape[:2]
    corner = pixels[(height - 1) // 8 * 8 :, (width - 1) // 8 * 8 :]
    if reason is None and (corner == 128).all():
        end = content.rfind(b"\xff\xd9")
        more = cv2.imdecode(np.frombuffer(content[:end] + _FURTHER + content[end:], np.uint8), cv2.IMREAD_UNCHANGED)
        if more is None or not np.array_equal(more, pixels):
            reason = "its data ends before its end marker, and the rest decodes as grey"
    if reason is not None:
        msg = f"{path}: truncated JPEG: {reason}"
        raise DataError(msg)


def _incomplete_jpeg(content: bytes) -> str | None:
    """Say whether scans of a progressive JPEG are missing: cut and ended again, it decodes without an error, blurred.

    Returns:
        A reason, or None: whole as far as the markers show; files of other kinds, too.
    """
    if content.find(b"\xff\xc2", 0, 1 << 16) < 0:
        return None  # most are not progressive, and their markers take long to walk
    seen = _jpeg_markers(content)
    progressive = any(marker == 0xC2 for marker, _ in seen)
    if progressive and not _all_coefficients(content, [at for marker, at in seen if marker == 0xDA]):
        return "scans of the progressive JPEG are missing"
    return None


def _jpeg_markers(content: bytes) -> list[tuple[int, int]]:
    """Give marker and position of every segment up to the end of the image."""
    found, at = [], 2
    while at + 4 <= len(content):
        at = content.find(b"\xff", at)
        if at < 0 or at + 4 > len(content) or content[at + 1] == 0xD9:
            break
        marker = content[at + 1]
        if marker in (0, 0xFF) or marker in _BARE_MARKERS:
            at += 1 if marker == 0xFF else 2
            continue
        found.append((marker, at))
        at += 2 + struct.unpack_from(">H", content, at + 2)[0]
    return found


def _all_coefficients(content: bytes, scans: list[int]) -> bool:
    """Whether the scans bring every coefficient of the first component down to its last bit (T.81, G.1.1.1)."""
    component, last_bit = None, [13] * 64
    for at in scans:
        count = content[at + 4]
        ids = [content[at + 5 + 2 * each] for each in range(count)]
        start, end, bits = content[at + 5 + 2 * count : at + 8 + 2 * count]
        component = ids[0] if component is None else component
        if component in ids:
            for place in range(start, min(end, 63) + 1):
                last_bit[place] = bits & 15
    return not any(last_bit)


def _header(path: Path, content: bytes) -> Header:
    try:
        return header_of(content)
    except DataError as error:
        msg = f"{path}: {error}"
        raise DataError(msg) from error


def has_colour(pixels: NDArray[Any]) -> bool:
    """Whether any pixel is not grey, of `(height, width)` or `(height, width, 3 or 4)`."""
    if pixels.ndim == 2:
        return False
    blue, green, red = (pixels[:, :, channel] for channel in range(3))
    return not (np.array_equal(blue, green) and np.array_equal(green, red))


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
            f"{path}: wanted values of {bit_depth} bits, got {peak}; set data.bit_depth to {peak.bit_length()} or "
            f"more, or data.window: [0, {(1 << bit_depth) - 1}] to clip hot pixels"
        )
        raise DataError(msg)
    return (pixels >> (bit_depth - 8)).astype(np.uint8)


def windowed(pixels: NDArray[Any], window: tuple[int, int]) -> NDArray[np.uint8]:
    """Map grey levels of 16 bits to 8: the window's ends become 0 and 255, what lies outside is clipped; 8 bits stay.

    >>> windowed(np.array([90, 100, 1000, 4000], np.uint16), (100, 1000)).tolist()
    [0, 0, 255, 255]
    """
    mapped: NDArray[np.uint8] = pixels if pixels.dtype == np.uint8 else _window_table(window)[pixels]
    return mapped


@lru_cache(maxsize=4)
def _window_table(window: tuple[int, int]) -> NDArray[np.uint8]:
    black, white = window
    levels = (np.arange(1 << 16, dtype=np.float32) - black) * (255 / (white - black))
    table: NDArray[np.uint8] = np.rint(np.clip(levels, 0, 255)).astype(np.uint8)
    return table
