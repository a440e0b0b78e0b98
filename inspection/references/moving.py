"""Move a reference as a matrix says.

OpenCV moves one value of a pixel and four of them in the same time. So grey references lie fourfold, each pixel with
the three to the right of it, and four neighbours of the frame are fetched at once; colours lie with a fourth value of
255.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .alignment import Matrix

Pixels = NDArray[np.uint8]

_AT_ONCE = 4
_LEFT = 4  # columns beside a fourfold reference, so that none of the four lies outside
_MANY = 1 << 18  # pixels from which on it is worth while to lay them fourfold
_STRAIGHT = 0.02
"""Turn, and scale less 1, up to which four neighbours may be moved alike: the outer ones are off by 0.03 pixels."""

_MOVE = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


@dataclass(frozen=True, slots=True, eq=False)
class Movable:
    """A reference, laid out so that it is moved quickly.

    Attributes:
        image: uint8 `[height, width, channels]`.
        four: uint8 `[rows, columns, 4]`: colours and 255, or grey values and the three beside each; None: few pixels.
    """

    image: Pixels
    four: Pixels | None

    def at(self, matrix: Matrix) -> tuple[Pixels, Pixels]:
        """Move it.

        Args:
            matrix: 2 x 3, from the frame's pixels to its own.

        Returns:
            uint8 `[height, width, channels + 1]`, the last being 255 within it and all undefined outside, and where
            it lies, as `covered` says.
        """
        size, channels = (self.image.shape[0], self.image.shape[1]), self.image.shape[2]
        inside = covered(matrix, size)
        if channels == 3 and self.four is not None:
            there = cv2.warpAffine(self.four, matrix, size[::-1], flags=_MOVE, borderMode=cv2.BORDER_REPLICATE)
            return np.asarray(there, np.uint8), inside
        straight = max(abs(matrix[0, 0] - 1), abs(matrix[1, 0])) <= _STRAIGHT
        grey = moved_fourfold(self.four, matrix, size) if self.four is not None and straight else None
        return np.asarray(cv2.merge([moved(self.image, matrix, size) if grey is None else grey, inside])), inside


def movable(image: Pixels) -> Movable:
    """Lay out a reference, uint8 `[height, width, channels]`."""
    height, width, channels = image.shape
    if channels == 3:
        return Movable(image, np.asarray(cv2.merge([image, np.full((height, width), 255, np.uint8)]), np.uint8))
    return Movable(image, fourfold(image) if channels == 1 and height * width >= _MANY else None)


def fourfold(image: Pixels) -> Pixels:
    """Lay each grey value beside the three to the right of it, with a rim that repeats the outermost.

    Args:
        image: uint8 `[height, width, 1]`.

    Returns:
        uint8 `[height + 2, width + 8, 4]`.
    """
    wide = cv2.copyMakeBorder(image, 1, 1, _LEFT, _LEFT + _AT_ONCE - 1, cv2.BORDER_REPLICATE)
    columns = image.shape[1] + 2 * _LEFT
    return np.asarray(cv2.merge([wide[:, place : place + columns] for place in range(_AT_ONCE)]), np.uint8)


def moved_fourfold(four: Pixels, matrix: Matrix, size: tuple[int, int]) -> Pixels:
    """Move what `fourfold` gave, four neighbours as the middle of them; outside, the outermost values go on.

    Args:
        four: uint8 `[height + 2, width + 8, 4]`.
        matrix: 2 x 3, from target pixels to the image's; nearly a shift, see `_STRAIGHT`.
        size: Height and width of the target.

    Returns:
        uint8 `[*size]`.
    """
    height, width = size
    columns, middle = -(-width // _AT_ONCE), (_AT_ONCE - 1) / 2
    shift = matrix[:, 2] + middle * matrix[:, 0] + [_LEFT - middle, 1]
    quarter = np.column_stack([_AT_ONCE * matrix[:, 0], matrix[:, 1], shift])
    there = cv2.warpAffine(four, quarter, (columns, height), flags=_MOVE, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(there, np.uint8).reshape(height, _AT_ONCE * columns)[:, :width]


def moved(image: Pixels, matrix: Matrix, size: tuple[int, int]) -> Pixels:
    """Resample an image as a matrix says; what lies outside of it is 0.

    Args:
        image: uint8 `[height, width, channels]`.
        matrix: 2 x 3, from target pixels (x, y) to the image's.
        size: Height and width of the target.

    Returns:
        uint8 `[*size, channels]`.
    """
    resampled = cv2.warpAffine(image, matrix, size[::-1], flags=_MOVE, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(resampled, np.uint8).reshape(*size, image.shape[2])


def covered(matrix: Matrix, size: tuple[int, int]) -> Pixels:
    """Say where a moved image of one size covers a target of the same size: uint8 `[*size, 1]`, 255 or 0."""
    height, width = size
    inside = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    corners = (inside - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    canvas = np.zeros(size, np.uint8)
    points = np.round(corners * 16).astype(np.int32)
    cv2.fillConvexPoly(canvas, points, 255, cv2.LINE_8, 4)
    return canvas.reshape(*size, 1)
