"""The gallery: every wrong decision with its photograph, where the model looked, and where the defect is."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ...inspection.base.errors import DataError
from .charts.gauge import score_gauge
from .wording import significant

Kind = Literal["escape", "overkill"]
Pixels = NDArray[np.uint8]

MOST_PER_KIND = 24
_LIMIT_BYTES = 3_500_000
_SIDE_PX = 256
_CLOSE_UP_FROM_PX = 600
_JPEG_QUALITY = 82
_FEW_VALUES = 16
_HEAT_RGB = (255, 106, 0)
_OUTLINE_RGB, _CASING_RGB = (64, 224, 255), (10, 20, 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryItem:
    """A part that was decided wrongly.

    Attributes:
        path: Image file, relative to the data set's root.
        label: `good` or the kind of defect.
        kind: `escape` (a defective part passed) or `overkill` (a good part rejected).
        score: What the model gave, in [0, 1].
        frame: The photograph, uint8 of shape `[height, width]` or `[height, width, 1 or 3]`, RGB.
        heatmap: Where the model looked, uint8 of shape `[h, w]`, any size; it covers the whole frame.
        mask: Where the defect is, bool of shape `[height, width]`; None where that is not known.
        reference: What the frame was compared with, moved onto it, of the frame's shape; None: with nothing.
    """

    path: str
    label: str
    kind: Kind
    score: float
    frame: Pixels
    heatmap: Pixels
    mask: NDArray[np.bool_] | None = None
    reference: Pixels | None = None

    def __post_init__(self) -> None:
        """Refuse pictures that cannot be drawn."""
        grey_or_rgb = self.frame.ndim == 2 or (self.frame.ndim == 3 and self.frame.shape[2] in (1, 3))
        if self.frame.dtype != np.uint8 or not grey_or_rgb or not self.frame.size:
            msg = f"{self.path}: frame must be uint8 [height, width(, 1 or 3)], got {_kind_of(self.frame)}"
            raise DataError(msg)
        if self.heatmap.dtype != np.uint8 or self.heatmap.ndim != 2 or not self.heatmap.size:
            msg = f"{self.path}: heatmap must be uint8 [height, width], got {_kind_of(self.heatmap)}"
            raise DataError(msg)
        if self.mask is not None and self.mask.shape != self.frame.shape[:2]:
            msg = f"{self.path}: mask must have the frame's size {self.frame.shape[:2]}, got {self.mask.shape}"
            raise DataError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A gallery item ready for the page; pictures are `data:` URIs."""

    item: GalleryItem
    frame: str
    overlay: str
    width: int
    height: int
    close_up: bool
    is_new: bool
    score: str
    threshold: str
    gauge: str
    described: str
    reference: str | None = None


def cards(items: Sequence[GalleryItem], *, threshold: float, new_paths: Sequence[str] = ()) -> list[Card]:
    """Draw the items in their order until the page's room is used up; new escapes come first.

    Args:
        items: Escapes and overkills in any order.
        threshold: Scores at or above it reject a part.
        new_paths: Escapes that the reference catches.

    Returns:
        At most `MOST_PER_KIND` of a kind, and no more than the report's size allows.
    """
    ordered = sorted(items, key=lambda item: (item.kind, item.path not in new_paths))
    drawn: list[Card] = []
    room = {"escape": MOST_PER_KIND, "overkill": MOST_PER_KIND}
    left_bytes = _LIMIT_BYTES
    for item in ordered:
        if not room[item.kind]:
            continue
        card = _card(item, threshold, is_new=item.path in new_paths)
        left_bytes -= len(card.frame) + len(card.overlay) + len(card.reference or "")
        if left_bytes < 0:
            break
        room[item.kind] -= 1
        drawn.append(card)
    return drawn


def overlay(item: GalleryItem, window: tuple[slice, slice], *, side_px: int = _SIDE_PX) -> Pixels:
    """Lay the heatmap over a window of the frame in orange and draw the mask's outline in light blue.

    Returns:
        RGB, uint8, the longer side `side_px`.
    """
    frame = _rgb(_scaled(item.frame[window], side_px))
    height, width = item.frame.shape[:2]
    heat = cv2.resize(item.heatmap, (width, height), interpolation=cv2.INTER_LINEAR)[window]
    share = _scaled(heat, side_px).astype(np.float32)[..., None] / 255 * 0.72
    mixed = (frame * (1 - share) + np.array(_HEAT_RGB, np.float32) * share).round().astype(np.uint8)
    return mixed if item.mask is None else _outlined(mixed, item.mask[window])


def window_of(item: GalleryItem) -> tuple[slice, slice]:
    """Choose what the close-up shows: the whole frame if small, else the part around the defect or the hottest spot."""
    height, width = item.frame.shape[:2]
    if max(height, width) <= _CLOSE_UP_FROM_PX:
        return slice(0, height), slice(0, width)
    if item.mask is not None and item.mask.any():
        rows, columns = (np.flatnonzero(item.mask.any(axis=axis)) for axis in (1, 0))
        spans = (int(rows[0]), int(rows[-1])), (int(columns[0]), int(columns[-1]))
    else:
        row, column = np.unravel_index(int(item.heatmap.argmax()), item.heatmap.shape)
        y, x = (int(row) + 0.5) * height / item.heatmap.shape[0], (int(column) + 0.5) * width / item.heatmap.shape[1]
        spans = (int(y), int(y)), (int(x), int(x))
    side = max(_SIDE_PX, int(1.6 * max(last - first for first, last in spans)))
    return _span(spans[0], side, height), _span(spans[1], side, width)


def data_uri(picture: Pixels) -> str:
    """Encode an RGB picture: JPEG, or PNG where few grey values make that the smaller and cleaner one."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    kind = "png" if np.count_nonzero(np.bincount(picture[..., 1].ravel())) <= _FEW_VALUES else "jpeg"
    settings = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if kind == "jpeg" else [cv2.IMWRITE_PNG_COMPRESSION, 9]
    content = cv2.imencode(f".{kind}", bgr, settings)[1].tobytes()
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _card(item: GalleryItem, threshold: float, *, is_new: bool) -> Card:
    window = window_of(item)
    height, width = item.frame.shape[:2]
    close_up = (window[0].stop - window[0].start, window[1].stop - window[1].start) != (height, width)
    frame = _rgb(_scaled(item.frame, _SIDE_PX))
    if close_up:
        _draw_window(frame, window, frame.shape[0] / height)
    drawn = overlay(item, window)
    score, limit = _distinct(item.score, threshold)
    return Card(
        item=item,
        frame=data_uri(frame),
        overlay=data_uri(drawn),
        width=frame.shape[1],
        height=frame.shape[0],
        close_up=close_up,
        is_new=is_new,
        score=score,
        threshold=limit,
        gauge=score_gauge(item.score, threshold),
        described=_described(item, close_up=close_up),
        reference=None if item.reference is None else data_uri(_rgb(_scaled(item.reference[window], _SIDE_PX))),
    )


def _described(item: GalleryItem, *, close_up: bool) -> str:
    what = "close-up of the same part" if close_up else "the same part"
    outline = ", the defect outlined in light blue" if item.mask is not None and item.mask.any() else ""
    return f"{what} with the model's heat in orange{outline}"


def _rgb(frame: Pixels) -> Pixels:
    grey = frame if frame.ndim == 2 else frame[..., 0]
    return frame if frame.ndim == 3 and frame.shape[2] == 3 else np.repeat(grey[..., None], 3, axis=2)


def _scaled(picture: Pixels, side_px: int) -> Pixels:
    factor = side_px / max(picture.shape[:2])
    size = max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), size, interpolation=how), np.uint8)


def _outlined(picture: Pixels, mask: NDArray[np.bool_]) -> Pixels:
    size = picture.shape[1], picture.shape[0]
    large = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    lines, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for colour, thickness in ((_CASING_RGB, 3), (_OUTLINE_RGB, 1)):
        cv2.drawContours(picture, lines, -1, colour, thickness, cv2.LINE_AA)
    return picture


def _draw_window(picture: Pixels, window: tuple[slice, slice], factor: float) -> None:
    top, left = (round(each.start * factor) for each in window)
    bottom, right = (round(each.stop * factor) - 1 for each in window)
    for colour, thickness in ((_CASING_RGB, 3), (_OUTLINE_RGB, 1)):
        cv2.rectangle(picture, (left, top), (right, bottom), colour, thickness)


def _span(inside: tuple[int, int], side: int, whole: int) -> slice:
    length = min(side, whole)
    start = min(max(0, (inside[0] + inside[1] + 1 - length) // 2), whole - length)
    return slice(start, start + length)


def _distinct(score: float, threshold: float) -> tuple[str, str]:
    """Give both with as many digits as it takes to tell them apart, at most nine."""
    for digits in range(3, 9):
        pair = significant(score, digits), significant(threshold, digits)
        if pair[0] != pair[1]:
            return pair
    return significant(score, 9), significant(threshold, 9)


def _kind_of(array: NDArray[np.generic]) -> str:
    return f"{array.dtype} {list(array.shape)}"
