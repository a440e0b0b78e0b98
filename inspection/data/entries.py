"""What one look into an image file shows: digest, size, a thumbnail, and how its values are spread."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..base.errors import DataError
from .headers import Header, palette_of
from .images import checked_header, decoded, has_colour, read_bytes, require_whole_jpeg

THUMBNAIL = 24
COLOUR = 1 << 24
"""Added to red << 16 | green << 8 | blue where a mask's pixel is not grey."""

_COUNTED = 1 << 18
_FEW = 64
_CROP = 512
_LARGE_BYTES = 128 << 20
_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What opening an image once has shown.

    Attributes:
        digest: `sha256:<hex>` of the file.
        kind: Container, as in `Header`.
        height: Pixels, as stored.
        width: Pixels, as stored.
        orientation: Exif tag, as in `Header`.
        pages: As in `Header`.
        colour: Whether any pixel is not grey; a grey image stored in three channels is not in colour.
        channels: As stored: 1, 3 or 4.
        bits: 8 or 16 per channel, as stored.
        peak: Largest value, 0 to 65535.
        low: Value that 0.1 % of the pixels lie below.
        high: Value that 0.1 % of the pixels lie above; a few hot pixels do not move it.
        noise: Standard deviation of the noise in units of `high`, estimated from the image alone (J. Immerkaer, "Fast
            noise variance estimation", Computer Vision and Image Understanding 64(2), 1996).
        mosaic: Whether it looks like the raw colour mosaic of a sensor (a Bayer pattern).
        thumbnail: uint8, 24 x 24, grey, row by row, averaged over areas.
        mask_values: `MaskValues` as JSON, should the file be a mask.
    """

    digest: str
    kind: str
    height: int
    width: int
    orientation: int
    pages: int
    colour: bool
    channels: int
    bits: int
    peak: int
    low: int
    high: int
    noise: float
    mosaic: bool
    thumbnail: bytes
    mask_values: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskValues:
    """How the values of an image are spread, read as a mask.

    Attributes:
        counts: Pixels by value, as `plane_of` gives it; empty: more than 64 different values.
        bright: Share of pixels above the middle of the range.
        nonzero: Share of pixels that are not black.
    """

    counts: Mapping[int, int]
    bright: float
    nonzero: float

    @classmethod
    def from_json(cls, text: str) -> MaskValues:
        """Read the text of `Entry.mask_values`."""
        counts, bright, nonzero = json.loads(text)
        return cls(counts={int(value): count for value, count in counts.items()}, bright=bright, nonzero=nonzero)


def entry_of(file: Path) -> Entry:
    """Open one image; of those above 128 MiB decoded, only one at a time, however many threads there are.

    Raises:
        DataError: It is missing, truncated or no image; the message names it.
    """
    content = read_bytes(file)
    header = checked_header(file, content)
    with _ONE_AT_A_TIME if header.decoded_bytes > _LARGE_BYTES else nullcontext():
        return _entry_of(file, content, header)


def _entry_of(file: Path, content: bytes, header: Header) -> Entry:
    pixels = decoded(file, content, header)
    require_whole_jpeg(file, content, pixels)
    grey = pixels if pixels.ndim == 2 else pixels[:, :, 1]
    low, high = _ends(_sample(grey))
    rows, columns = (slice(max(0, (side - _CROP) // 2), (side + _CROP) // 2) for side in grey.shape)
    middle = grey[rows, columns].astype(np.float32)
    return Entry(
        digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
        kind=header.kind,
        height=pixels.shape[0],
        width=pixels.shape[1],
        orientation=header.orientation,
        pages=header.pages,
        colour=has_colour(pixels),
        channels=1 if pixels.ndim == 2 else pixels.shape[2],
        bits=8 * pixels.dtype.itemsize,
        peak=int(pixels.max() if pixels.ndim == 2 else pixels[:, :, :3].max()),
        low=low,
        high=high,
        noise=_noise(middle) / max(1, high),
        mosaic=pixels.ndim == 2 and _is_mosaic(middle),
        thumbnail=_thumbnail(pixels, high).tobytes(),
        mask_values=_mask_values(content, pixels),
    )


def together(entries: Sequence[Entry], folder: str) -> Entry:
    """Give the entry of a mask that several files make up; shares add up, as if they did not overlap.

    Raises:
        DataError: The files differ in size.
    """
    if len({(entry.height, entry.width) for entry in entries}) != 1:
        msg = f"{folder}: wanted mask images of one size, got several; export them at full size"
        raise DataError(msg)
    every = [MaskValues.from_json(entry.mask_values) for entry in entries]
    counts: Counter[int] = Counter()
    for each in every:
        counts.update(each.counts)
    if not all(each.counts for each in every) or len(counts) > _FEW:
        counts.clear()
    bright, nonzero = (min(1.0, sum(getattr(each, name) for each in every)) for name in ("bright", "nonzero"))
    digest = hashlib.sha256("".join(entry.digest for entry in entries).encode()).hexdigest()
    return replace(
        entries[0],
        digest=f"sha256:{digest}",
        peak=max(entry.peak for entry in entries),
        mask_values=json.dumps([counts, bright, nonzero]),
    )


def plane_of(content: bytes, pixels: NDArray[Any]) -> NDArray[Any]:
    """Give a mask's values as one plane.

    Grey pixels keep their value, coloured ones are `COLOUR` + red << 16 | green << 8 | blue (of 16-bit files the upper
    halves). Of a PNG with a coloured palette that begins with black, the index. Where the colours are all alike and
    the transparency is not, the transparency (0 to 255); else what is wholly transparent is 0.

    Args:
        content: The whole file.
        pixels: As `decode_with_header` gives them, (height, width) or (height, width, 3 or 4).

    Returns:
        (height, width), uint8 or uint16 of a grey file, else uint32.
    """
    if pixels.ndim == 2:
        return pixels
    blue, green, red = (pixels[:, :, channel].astype(np.uint32) for channel in range(3))
    grey = (blue == green) & (green == red)
    shift = 8 * (pixels.dtype.itemsize - 1)
    packed = COLOUR + (red >> shift << 16) + (green >> shift << 8) + (blue >> shift)
    plane: NDArray[Any] = np.where(grey, blue, packed)
    index = palette_of(content)
    if index:
        values, places = np.unique(red << 16 | green << 8 | blue, return_inverse=True)
        plane = np.array([index.get(int(value), value) for value in values], np.uint32)[places.reshape(plane.shape)]
    if pixels.shape[2] < 4:
        return plane
    alpha = pixels[:, :, 3]
    if alpha.min() != alpha.max() and plane.min() == plane.max():
        return alpha.astype(np.uint32) >> np.uint32(shift)
    return np.where(alpha > 0, plane, np.uint32(0))


def strength_of(plane: NDArray[Any]) -> NDArray[Any]:
    """Give the largest channel where a plane holds a colour, its value elsewhere."""
    if plane.max() < COLOUR:
        return plane
    channels = np.stack([plane >> shift & 255 for shift in (16, 8, 0)]).max(axis=0)
    return np.where(plane >= COLOUR, channels, plane)


def _mask_values(content: bytes, pixels: NDArray[Any]) -> str:
    """Look at every pixel, but build the plane of a large photograph, which is no mask, only of some."""
    opaque = pixels.ndim == 2 or pixels.shape[2] < 4
    counts: dict[int, int] = {}
    if opaque and len(_values_of(plane_of(content, _sample(pixels)))[0]) > _FEW:
        strength = pixels if pixels.ndim == 2 else _largest_channel(pixels)
    else:
        plane = plane_of(content, pixels)
        values, numbers = _values_of(plane)
        if len(values) <= _FEW:
            counts = {int(value): int(number) for value, number in zip(values, numbers, strict=True)}
        strength = strength_of(plane)
    bright = float((strength > np.iinfo(pixels.dtype).max // 2).mean())
    return json.dumps([counts, bright, float((strength > 0).mean())])


def _values_of(plane: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Give the values that occur, in order, and how often; bytes are counted, which is ten times as fast as sorting."""
    if plane.dtype != np.uint8:
        values, numbers = np.unique(plane, return_counts=True)
        return values, numbers
    flat, counts = plane.ravel(), np.zeros(256, np.int64)
    for start in range(0, flat.size, _COUNTED):  # counting takes eight bytes for each of them
        counts += np.bincount(flat[start : start + _COUNTED], minlength=256)
    values = np.flatnonzero(counts)
    return values, counts[values]


def _largest_channel(pixels: NDArray[Any]) -> NDArray[Any]:
    """As `pixels.max(axis=2)`, which walks pixel by pixel and takes ten times as long."""
    largest = pixels[:, :, 0]
    for channel in range(1, pixels.shape[2]):
        largest = np.maximum(largest, pixels[:, :, channel])
    return largest


def _ends(values: NDArray[Any]) -> tuple[int, int]:
    """Give the values that 0.1 % of all lie below and above."""
    low, high = values.size // 1000, values.size - 1 - values.size // 1000
    ordered = np.partition(values, (low, high), axis=None)
    return int(ordered[low]), int(ordered[high])


def _sample(plane: NDArray[Any]) -> NDArray[Any]:
    """At most some 400,000 pixels, evenly spread."""
    step = max(1, int((plane.shape[0] * plane.shape[1] / 400_000) ** 0.5))
    return plane[::step, ::step]


def _noise(image: NDArray[np.float32]) -> float:
    if min(image.shape) < 3:
        return 0.0
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    response = np.abs(cv2.filter2D(image, -1, kernel))[1:-1, 1:-1]
    return float(response.mean() * (np.pi / 2) ** 0.5 / 6)


def _is_mosaic(image: NDArray[np.float32]) -> bool:
    """In a mosaic the next pixel of a row and of a column has another colour, and the one after it the same again."""
    if min(image.shape) < 32:
        return False
    for lines in (image, image.T):
        next_one, next_but_one = np.abs(np.diff(lines)).mean(), np.abs(lines[:, 2:] - lines[:, :-2]).mean()
        if next_one < 1.5 * next_but_one or next_one < 1:
            return False
    return True


def _thumbnail(pixels: NDArray[Any], high: int) -> NDArray[np.uint8]:
    """Shrink to 24 x 24; of 16-bit images, whose true depth is not known, `high` becomes white."""
    colours = pixels if pixels.ndim == 2 else pixels[:, :, :3]
    small = cv2.resize(colours, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32)
    grey = small if small.ndim == 2 else small.mean(axis=2)
    scale = 1.0 if pixels.dtype == np.uint8 else 255.0 / max(1, high)
    thumbnail: NDArray[np.uint8] = np.rint(np.minimum(grey * scale, 255)).astype(np.uint8)
    return thumbnail
