"""A frame with its reference as one array, and what the network takes of it.

On its way through datasets, calibration, measurement, golden frames and the station a pair is one uint8 array of twice
the height: the frame, and below it the reference as it was photographed. Whoever gives it to a network calls
`compared`: the reference is moved onto the frame there, in training, on the device and in every proof alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..base.errors import DataError

if TYPE_CHECKING:
    from .moving import Movable

VERSION = 2
"""Stands in the digest of data with references: raised where `compared` gives something else of the same pair."""

_FEW = 1 << 16  # pixels up to which the whole frame is sooner gone through than four strips along its rim

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A frame with the reference moved onto it.

    Attributes:
        frame: uint8 `[height, width, channels]`.
        reference: uint8 `[height, width, channels + 1]`: the reference's pixels, and 255 where there is one. Where
            there is none, 0, and the pixels are the frame's own.
        confidence: That it lies where it should, in [0, 1]; see `alignment.Alignment`.
        aligned: Whether it may be relied on. Where not, there is no reference anywhere.
    """

    frame: Pixels
    reference: Pixels
    confidence: float
    aligned: bool

    def planes(self) -> Pixels:
        """Give what a network is shown, uint8 `[height, width, 2 * channels + 1]`."""
        return np.concatenate([self.frame, self.reference], axis=2)


def pair_of(frame: Pixels, reference: Pixels) -> Pixels:
    """Put a frame above its reference.

    Args:
        frame: uint8 `[height, width, channels]`.
        reference: Of the same shape.

    Returns:
        uint8 `[2 * height, width, channels]`.

    Raises:
        DataError: They differ in size.

    >>> pair_of(np.zeros((2, 3, 1), np.uint8), np.ones((2, 3, 1), np.uint8)).shape
    (4, 3, 1)
    """
    if frame.shape != reference.shape:
        msg = f"reference: wanted the shape of its frame, {frame.shape}, got {reference.shape}; photograph it alike"
        raise DataError(msg)
    return np.concatenate([frame, reference])


def parts_of(pair: Pixels) -> tuple[Pixels, Pixels]:
    """Give frame and reference of a pair; no copy."""
    half = len(pair) // 2
    return pair[:half], pair[half:]


def compared(pair: Pixels) -> Compared:
    """Move a pair's reference onto its frame; the same pair always gives the same.

    Args:
        pair: uint8 `[2 * height, width, channels]`.
    """
    from .alignment import align_to
    from .known import known

    frame, reference = parts_of(pair)
    found = known(reference)
    alignment = align_to(frame, found.searchable)
    if not alignment.found:
        nothing = np.zeros((*frame.shape[:2], 1), np.uint8)
        there = np.concatenate([frame, nothing], axis=2)
        return Compared(frame=frame, reference=there, confidence=alignment.confidence, aligned=False)
    return _with_rim(frame, found.movable, alignment.matrix, alignment.confidence)


def compared_at(pair: Pixels, matrix: NDArray[np.float64]) -> Compared:
    """Move a pair's reference as a matrix says.

    Args:
        pair: uint8 `[2 * height, width, channels]`.
        matrix: 2 x 3, see `alignment.Alignment`.
    """
    from .moving import movable

    frame, reference = parts_of(pair)
    return _with_rim(frame, movable(reference), matrix, 1.0)


def _with_rim(frame: Pixels, reference: Movable, matrix: NDArray[np.float64], confidence: float) -> Compared:
    """Move a reference; where it does not reach, the frame's own pixels stand, marked by 0."""
    there, inside = reference.at(matrix)
    if inside.size <= _FEW:
        _fill(there, inside, frame)
        return Compared(frame=frame, reference=there, confidence=confidence, aligned=True)
    height, width = inside.shape[:2]
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]])
    xs, ys = ((corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T).T
    left, right = _between(max(xs[0], xs[2]), min(xs[1], xs[3]), width)
    top, bottom = _between(max(ys[0], ys[1]), min(ys[2], ys[3]), height)
    strips = ((0, top, 0, width), (bottom, height, 0, width), (top, bottom, 0, left), (top, bottom, right, width))
    for start, end, begin, stop in strips:
        if start < end and begin < stop:
            area = np.s_[start:end, begin:stop]
            _fill(there[area], inside[area], frame[area])
    return Compared(frame=frame, reference=there, confidence=confidence, aligned=True)


def _fill(there: Pixels, inside: Pixels, frame: Pixels) -> None:
    """Let a frame's own pixels stand, marked by 0, where a reference does not reach."""
    import cv2

    own = cv2.merge([frame, inside])
    cv2.copyTo(own, cv2.bitwise_not(inside), there)


def _between(low: float, high: float, side: int) -> tuple[int, int]:
    """Give which pixels of a side certainly lie between two edges of a reference; none: 0 to 0."""
    first = max(0, int(np.ceil(low)) + 1) if low > 0 else 0
    last = min(side, int(np.floor(high))) if high < side - 1 else side
    return (first, last) if first < last else (side, side)


def shown_planes(array: Pixels, *, reference: bool) -> tuple[Pixels, bool]:
    """Give what a network is shown, uint8 `[height, width, planes]`, and whether it may be judged by that.

    Args:
        array: A frame, or with `reference` a pair.
        reference: Whether the network compares.
    """
    if not reference:
        return array, True
    both = compared(array)
    return both.planes(), both.aligned


def network_inputs(array: Pixels, *, reference: bool) -> dict[str, Pixels]:
    """Give what a graph takes, by the names of its inputs, C-contiguous.

    Args:
        array: A frame, or with `reference` a pair.
        reference: Whether the graph compares.
    """
    if not reference:
        return {"frame": array}
    both = compared(array)
    return {"frame": both.frame, "reference": both.reference}
