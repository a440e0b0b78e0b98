"""What an image file's container says of itself, and whether the file is whole.

Decoders differ in what they do with a file that was cut off: some fail, some fill the rest with grey. So the
container is walked first, which also gives the size before any memory is taken for it.
Sources: PNG (W3C, third edition), JPEG (ITU-T T.81, annex B), BMP (wingdi.h), TIFF 6.0, WebP (RFC 9649), JPEG 2000
(ITU-T T.800, annexes A and I), the man pages pgm(5) and ppm(5) of Netpbm, Exif 2.32 (orientation, tag 274).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from ..base.errors import DataError

MOST_PIXELS = 1 << 28
"""Of an image or an annotation: as many as the largest line scans have, 16384 x 16384."""

Kind = Literal["png", "jpeg", "bmp", "tiff", "webp", "jp2", "pnm"]
KINDS = "PNG, JPEG, BMP, TIFF, WebP, JPEG 2000 or PGM/PPM"

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

_MAX_PAGES = 10_000
_ORIENTATION = 274
_JP2_COEFFICIENT_BYTES = 4
_JP2 = b"\0\0\0\x0cjP  \r\n\x87\n"
_J2K = b"\xff\x4f\xff\x51"
_PNM = re.compile(rb"P([1-6])(?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})(?:(?:\s|#[^\n]*\n)+(\d{1,5}))?\s")

Size = tuple[int, int, int]
"""Height, width, bytes of a pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Container and size of an image.

    Attributes:
        kind: Container, by content and not by the file's name.
        height: Pixels, as stored; orientation tags are not followed.
        width: Pixels, as stored.
        pixel_bytes: Most memory that a decoder takes for a pixel, with the file's own channels and depth.
        orientation: Exif's tag 274: 1 as stored, 3 upside down, 6 and 8 turned by a quarter, the even rest mirrored.
        pages: Images in the file; a TIFF may hold several, of which the first is read.
    """

    kind: Kind
    height: int
    width: int
    pixel_bytes: int
    orientation: int = 1
    pages: int = 1

    @property
    def decoded_bytes(self) -> int:
        """Memory that the decoded file takes."""
        return self.height * self.width * self.pixel_bytes


def header_of(content: bytes) -> Header:
    """Read the size of a whole image file and check that nothing is cut off.

    Raises:
        DataError: No known image, or truncated or damaged; the message does not name the file.
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
    pages = _pages(content) if kind == "tiff" else 1
    return Header(
        kind=kind,
        height=height,
        width=width,
        pixel_bytes=pixel_bytes,
        orientation=_orientation(kind, content),
        pages=pages,
    )


def unturned(content: bytes) -> bytes:
    """Set a TIFF's orientation tag to 1, since its decoder would follow the tag where those of other kinds do not."""
    order = "<" if content.startswith(b"II") else ">"
    (page,) = struct.unpack_from(f"{order}I", content, 4)
    (entries,) = struct.unpack_from(f"{order}H", content, page)
    for at in range(page + 2, page + 2 + 12 * entries, 12):
        if struct.unpack_from(f"{order}H", content, at)[0] == _ORIENTATION:
            return content[: at + 8] + struct.pack(f"{order}H", 1) + content[at + 10 :]
    return content


def _reader_of(content: bytes) -> tuple[Kind, Callable[[bytes], Size]]:
    starts: dict[tuple[bytes, ...], tuple[Kind, Callable[[bytes], Size]]] = {
        (_PNG,): ("png", _png),
        (b"\xff\xd8\xff",): ("jpeg", _jpeg),
        (b"BM",): ("bmp", _bmp),
        (b"II*\0", b"MM\0*"): ("tiff", _tiff),
        (_JP2, _J2K): ("jp2", _jp2),
    }
    for start, found in starts.items():
        if content.startswith(start):
            return found
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp", _webp
    if _PNM.match(content[:4096]):
        return "pnm", _pnm
    what = f"a file that starts with {content[:8]!r}" if content else "an empty file"
    msg = f"wanted {KINDS}, got {what}; convert the file"
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


def _pages(content: bytes) -> int:
    """Count the pages of a TIFF; a chain that runs in a circle or leads nowhere ends."""
    order = "<" if content.startswith(b"II") else ">"
    seen: set[int] = set()
    with suppress(struct.error):
        (page,) = struct.unpack_from(f"{order}I", content, 4)
        while page and page not in seen and len(seen) < _MAX_PAGES:
            (entries,) = struct.unpack_from(f"{order}H", content, page)
            seen.add(page)
            (page,) = struct.unpack_from(f"{order}I", content, page + 2 + 12 * entries)
    return max(1, len(seen))


def _webp(content: bytes) -> Size:
    (length,) = struct.unpack_from("<I", content, 4)
    if len(content) < 8 + length:
        msg = f"truncated WEBP, wanted {8 + length} bytes, got {len(content)}"
        raise DataError(msg)
    form = content[12:16]
    if form == b"VP8X":
        width, height = (1 + int.from_bytes(content[at : at + 3], "little") for at in (24, 27))
        return height, width, 4
    if form == b"VP8L":
        (packed,) = struct.unpack_from("<I", content, 21)
        return 1 + (packed >> 14 & 0x3FFF), 1 + (packed & 0x3FFF), 4
    width, height = struct.unpack_from("<HH", content, 26)
    return height & 0x3FFF, width & 0x3FFF, 4


def _jp2(content: bytes) -> Size:
    start = content.find(_J2K)
    if start < 0 or b"\xff\xd9" not in content[-16:]:
        msg = "truncated JP2, its end marker is missing"
        raise DataError(msg)
    right, bottom, left, top = struct.unpack_from(">IIII", content, start + 8)
    (channels,) = struct.unpack_from(">H", content, start + 40)
    return bottom - top, right - left, channels * (2 + _JP2_COEFFICIENT_BYTES)


def _pnm(content: bytes) -> Size:
    found = _PNM.match(content[:4096])
    if found is None or (found[1] not in b"14" and found[4] is None):
        msg = "damaged PNM, its header is incomplete"
        raise DataError(msg)
    width, height = int(found[2]), int(found[3])
    deep = 2 if found[1] not in b"14" and int(found[4]) > 255 else 1
    row_bytes = {b"4": (width + 7) // 8, b"5": deep * width, b"6": 3 * deep * width}.get(found[1], 0)
    if len(content) < row_bytes * height:
        msg = f"truncated PNM, wanted at least {row_bytes * height} bytes, got {len(content)}"
        raise DataError(msg)
    return height, width, deep * (3 if found[1] in b"36" else 1)


def _orientation(kind: Kind, content: bytes) -> int:
    """Read the orientation tag; 1 where there is none, or none that can be read."""
    block = content if kind == "tiff" else _exif(kind, content)
    if block[:4] not in (b"II*\0", b"MM\0*"):
        return 1
    with suppress(struct.error):
        value = _tiff_tags(block, "<" if block.startswith(b"II") else ">").get(_ORIENTATION, (1,))[0]
        return value if 1 <= value <= 8 else 1
    return 1


def _exif(kind: Kind, content: bytes) -> bytes:
    mark = {"jpeg": b"Exif\0\0", "png": b"eXIf", "webp": b"EXIF"}.get(kind)
    at = -1 if mark is None else content.find(mark, 0, len(content) if kind == "webp" else 1 << 16)
    if mark is None or at < 0:
        return b""
    skip = {"jpeg": 6, "png": 4, "webp": 8}[kind]
    block = content[at + skip : at + skip + (1 << 16)]
    return block[6:] if block.startswith(b"Exif\0\0") else block


def palette_of(content: bytes) -> dict[int, int]:
    """Give index by colour (red << 16 | green << 8 | blue) of a PNG whose coloured palette begins with black.

    Such a palette names classes (PASCAL VOC); any other only saves space, and what counts is the colours. Colours
    that stand there twice belong to the first index. Empty where there is no such palette.
    """
    if not content.startswith(_PNG) or content[25:26] != b"\3":
        return {}
    at = content.find(b"PLTE", 0, 1 << 20)
    length = struct.unpack_from(">I", content, at - 4)[0] if at > 0 else 0
    colours = [tuple(content[at + 4 + each : at + 7 + each]) for each in range(0, min(length, 768), 3)]
    if not colours or colours[0] != (0, 0, 0) or all(red == green == blue for red, green, blue in colours):
        return {}
    index: dict[int, int] = {}
    for number, (red, green, blue) in enumerate(colours):
        index.setdefault(red << 16 | green << 8 | blue, number)
    return index
