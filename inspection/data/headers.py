"""What an image file's container says of itself, and whether the file is whole.

Decoders differ in what they do with a file that was cut off: some fail, some fill the rest with grey. So the
container is walked first, which also gives the size before any memory is taken for it.
Sources: PNG (W3C, third edition), JPEG (ITU-T T.81, annex B), BMP (wingdi.h), TIFF 6.0.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..base.errors import DataError

Kind = Literal["png", "jpeg", "bmp", "tiff"]

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG_SIZES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
_TIFF_SIZES = {1: 1, 3: 2, 4: 4}
_TIFF_FORMATS = {1: "B", 3: "H", 4: "I"}
_MAX_TIFF_VALUES = 1 << 22
_PNG_CHANNELS = {0: 1, 2: 3}
"""By colour type; palettes and grey with transparency become four channels."""

_JPEG_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_JPEG_COEFFICIENT_BYTES = 2
"""A progressive file's coefficients are all kept until its end."""

Size = tuple[int, int, int]
"""Height, width, bytes of a pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Container and size of an image.

    Attributes:
        kind: Container, by content and not by the file's name.
        height: Pixels.
        width: Pixels.
        pixel_bytes: Most memory that a decoder takes for a pixel, with the file's own channels and depth.
    """

    kind: Kind
    height: int
    width: int
    pixel_bytes: int

    @property
    def decoded_bytes(self) -> int:
        """Memory that the decoded file takes."""
        return self.height * self.width * self.pixel_bytes


def header_of(content: bytes) -> Header:
    """Read the size of a whole image file and check that nothing is cut off.

    Raises:
        DataError: Not PNG, JPEG, BMP or TIFF, or truncated or damaged; the message does not name the file.
    """
    kind, read = _reader_of(content)
    try:
        height, width, pixel_bytes = read(content)
    except (struct.error, IndexError) as error:
        msg = f"truncated {kind.upper()}, the file ends early"
        raise DataError(msg) from error
    if height < 1 or width < 1:
        msg = f"{kind.upper()} of {width} x {height} pixels"
        raise DataError(msg)
    return Header(kind=kind, height=height, width=width, pixel_bytes=pixel_bytes)


def _reader_of(content: bytes) -> tuple[Kind, Callable[[bytes], Size]]:
    if content.startswith(_PNG):
        return "png", _png
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg", _jpeg
    if content.startswith(b"BM"):
        return "bmp", _bmp
    if content[:4] in (b"II*\0", b"MM\0*"):
        return "tiff", _tiff
    what = f"a file that starts with {content[:8]!r}" if content else "an empty file"
    msg = f"wanted PNG, JPEG, BMP or TIFF, got {what}"
    raise DataError(msg)


def _png(content: bytes) -> Size:
    view = memoryview(content)
    width, height, depth, colour = struct.unpack_from(">IIBB", content, 16)
    at, name = len(_PNG), b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", content, at)
        (checksum,) = struct.unpack_from(">I", content, at + 8 + length)
        if zlib.crc32(view[at + 4 : at + 8 + length]) != checksum:
            msg = f"damaged PNG, the checksum of its {name!r} part is wrong"
            raise DataError(msg)
        at += 12 + length
    return height, width, _PNG_CHANNELS.get(colour, 4) * (2 if depth == 16 else 1)


def _jpeg(content: bytes) -> Size:
    size = (0, 0, 0)
    at = 2
    while True:
        if content[at] != 0xFF:
            msg = f"damaged JPEG, no marker at byte {at}"
            raise DataError(msg)
        marker = content[at + 1]
        if marker == 0xFF or marker in _JPEG_BARE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xDA:
            break
        (length,) = struct.unpack_from(">H", content, at + 2)
        if marker in _JPEG_SIZES:
            height, width, channels = struct.unpack_from(">HHB", content, at + 5)
            kept = _JPEG_COEFFICIENT_BYTES if marker in _JPEG_PROGRESSIVE else 0
            size = height, width, channels * (1 + kept)
        at += 2 + length
    # In coded data 0xFF is followed by 0 or a restart marker, so this pair can only be the end of the image.
    if content.find(b"\xff\xd9", at) < 0:
        msg = "truncated JPEG, its end marker is missing"
        raise DataError(msg)
    return size


def _bmp(content: bytes) -> Size:
    start, length = struct.unpack_from("<II", content, 10)
    if length == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", content, 18)
        packed = 0
    else:
        width, height, _, bits, packed = struct.unpack_from("<iiHHI", content, 18)
    height = abs(height)
    row_bytes = (width * bits + 31) // 32 * 4
    if packed in (0, 3) and len(content) < start + row_bytes * height:
        msg = f"truncated BMP, wanted {start + row_bytes * height} bytes, got {len(content)}"
        raise DataError(msg)
    return height, width, 4 if bits == 32 else 3


def _tiff(content: bytes) -> Size:
    order = "<" if content.startswith(b"II") else ">"
    tags = _tiff_tags(content, order)
    offsets = tags.get(273, tags.get(324, ()))
    counts = tags.get(279, tags.get(325, ()))
    ends = [offset + count for offset, count in zip(offsets, counts, strict=False)]
    if not ends or max(ends) > len(content):
        msg = f"truncated TIFF, its pixels end at byte {max(ends, default=0)} of {len(content)}"
        raise DataError(msg)
    height, width = (tags.get(tag, (0,))[0] for tag in (257, 256))
    channels = 3 if tags.get(262) == (3,) else tags.get(277, (1,))[0]
    pixel_bytes = channels * -(-max(tags.get(258, (1,))) // 8)
    tile = tags.get(322, (0,))[0] * tags.get(323, (0,))[0]  # a decoder takes one whole, however small the image is
    return height, width, pixel_bytes * max(1, -(-tile // max(1, height * width)))


def _tiff_tags(content: bytes, order: str) -> dict[int, tuple[int, ...]]:
    """Give the whole-number tags of the first page."""
    (page,) = struct.unpack_from(f"{order}I", content, 4)
    (entries,) = struct.unpack_from(f"{order}H", content, page)
    tags = {}
    for at in range(page + 2, page + 2 + 12 * entries, 12):
        tag, form, count = struct.unpack_from(f"{order}HHI", content, at)
        if form in _TIFF_SIZES and 0 < count <= _MAX_TIFF_VALUES:
            inline = _TIFF_SIZES[form] * count <= 4
            start = at + 8 if inline else struct.unpack_from(f"{order}I", content, at + 8)[0]
            tags[tag] = struct.unpack_from(f"{order}{count}{_TIFF_FORMATS[form]}", content, start)
    return tags
