"""Find where a reference lies on a frame: shift, turn and scale to a fraction of a pixel, and how sure that is.

Both are shrunk, brought to one brightness and contrast, and searched in two steps: every shift within an eighth of the
frame by its squared difference (OpenCV's `matchTemplate`), then turn, scale and the fraction of a pixel by
Gauss-Newton steps on blurred images (B. Lucas and T. Kanade, IJCAI 1981), the last of them on more pixels. It is the
frame that is moved onto the reference, so that slopes and their inverse are computed once per reference (S. Baker and
I. Matthews, "Lucas-Kanade 20 years on", IJCV 56(3), 2004). Differences are clipped, so that a defect does not pull, and
small movements are preferred, so that straight tracks do not slide. OpenCV's phase correlation and ECC were tried
before: on crops of circuit boards the one locked onto a wrong shift in 5 of 100, the other took five times as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

ALIGNED = 0.45
"""From this confidence on a reference counts as found. Of 300 crops of circuit boards 1 lies below it, and 19 of 20
references of another place do."""

_EDGE = 64  # pixels of the longer side that the movement is searched on
_FINE_EDGE = 240  # pixels of the longer side, at most, that the last steps look at
_COARSE_EDGE = 48
_LEAST_EDGE = 16
_REACH = 0.125  # of the longer side: the largest shift that is looked for
_SHIFT_COST = 0.02
_FIRST_STEPS, _LAST_STEPS = (1.6, 3), (0.9, 2)  # blur in pixels, Gauss-Newton steps at most
_LIKENESS_BLUR = 0.9
_CLIPPED = 0.7  # standard deviations of the image
_STIFF = np.diag([4e-3, 4e-3, 1e-5, 1e-5])  # against turn, scale and shift that nothing in it shows, of `_EDGE` pixels
_ENOUGH = 0.02  # pixels: smaller steps end the search
_LEAST_SPREAD = 8.0  # grey levels: below it an image shows nothing that could be aligned
_OUTSIDE = 1e6
_FAR = 50.0  # standard deviations: no pixel is so far from the mean, but one mixed with what lies outside is
_MOVE = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

Matrix = NDArray[np.float64]
"""2 x 3: takes pixels (x, y) of the frame to those of the reference."""

_Grey = NDArray[np.float32]
_Square = NDArray[np.float64]
"""3 x 3: takes pixels of one image to those of another, the last row 0, 0, 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """Where a reference lies on a frame.

    Attributes:
        matrix: 2 x 3, takes pixels (x, y) of the frame to pixels of the reference.
        confidence: 1: they show the same; 0: no more alike than any two images. Of a reference without structure, which
            fits wherever it lies, 1.
    """

    matrix: Matrix
    confidence: float

    @property
    def found(self) -> bool:
        """Whether the reference may be relied on."""
        return self.confidence >= ALIGNED


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """An image that frames are moved onto.

    Attributes:
        calm: Blurred.
        blur: In pixels.
        steps: To go at most.
        slopes: `[4, pixels]`, in scale, turn, right and down.
        inverse: `[4, 4]`: times slopes times a difference it is how far to go.
    """

    calm: _Grey
    blur: float
    steps: int
    slopes: _Grey
    inverse: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Searchable:
    """What finding a reference on frames needs of it: nothing of that depends on the frame.

    Attributes:
        coarse: Of `_COARSE_EDGE` pixels.
        alike: Of `_EDGE` pixels, blurred as what is to be like it.
        first: Of as many pixels.
        last: Of `_FINE_EDGE` pixels, or of as many as there are.
    """

    coarse: _Grey
    alike: _Grey
    first: _Level
    last: _Level


def searchable(reference: NDArray[np.uint8]) -> Searchable | None:
    """Compute what is the same for every frame; None: it shows nothing, and fits wherever it lies.

    Args:
        reference: uint8 `[height, width, 1 or 3]`.
    """
    if (normal := _normalised(_shrunk(reference, _factor(reference.shape)))) is None:
        return None
    small, fine = normal
    return Searchable(
        _coarse(small),
        cv2.GaussianBlur(small, (0, 0), _LIKENESS_BLUR),
        _level(small, *_FIRST_STEPS),
        _level(fine, *_LAST_STEPS),
    )


def align(frame: NDArray[np.uint8], reference: NDArray[np.uint8]) -> Alignment:
    """Find the movement that brings a reference onto a frame; the same arrays always give the same.

    Args:
        frame: uint8 `[height, width, 1 or 3]`.
        reference: Of the same shape.
    """
    return align_to(frame, searchable(reference))


def align_to(frame: NDArray[np.uint8], reference: Searchable | None) -> Alignment:
    """As `align`, with what was computed before of a reference of the frame's shape."""
    if reference is None:
        return Alignment(matrix=np.eye(2, 3), confidence=1.0)
    factor = _factor(frame.shape)
    if (normal := _normalised(_shrunk(frame, factor))) is None:
        return Alignment(matrix=np.eye(2, 3), confidence=0.0)
    small, fine = normal
    to_small, from_small = _there_and_back(fine.shape, small.shape)
    found = _refined(small, reference.first, _coarse_shift(small, reference))
    found = _refined(fine, reference.last, from_small @ found @ to_small)
    confidence = _likeness(small, reference.alike, to_small @ found @ from_small)
    to_fine, from_fine = _there_and_back((fine.shape[0] * factor, fine.shape[1] * factor), fine.shape)
    return Alignment(matrix=(from_fine @ np.linalg.inv(found) @ to_fine)[:2], confidence=confidence)


def _factor(shape: tuple[int, ...]) -> int:
    """Say how often a side is halved, as a factor: OpenCV halves several times as fast as it shrinks otherwise."""
    factor = 1
    while max(shape[:2]) // factor > _FINE_EDGE and min(shape[:2]) // factor >= 2 * _LEAST_EDGE:
        factor *= 2
    return factor


def _shrunk(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Halve to grey, uint8 `[rows, columns]`; a rim on the right and below that does not fill a pixel is left aside."""
    rows, columns = (side // factor for side in image.shape[:2])
    pixels = image[: rows * factor, : columns * factor]
    grey = pixels[:, :, 0] if image.shape[2] == 1 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    while factor > 1:
        factor //= 2
        grey = cv2.resize(grey, (columns * factor, rows * factor), interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


def _normalised(image: NDArray[np.uint8]) -> tuple[_Grey, _Grey] | None:
    """Give grey values of mean 0 and standard deviation 1, on few pixels and as they are; None: it shows nothing."""
    shrink = max(1.0, max(image.shape) / _EDGE)
    small = image
    if shrink > 1:
        size = tuple(max(_LEAST_EDGE, round(side / shrink)) for side in image.shape[::-1])
        small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    mean, spread = (float(each[0, 0]) for each in cv2.meanStdDev(small))
    if spread < _LEAST_SPREAD:
        return None
    one, other = ((each.astype(np.float32) - np.float32(mean)) * np.float32(1 / spread) for each in (small, image))
    return one, other


def _level(image: _Grey, blur: float, steps: int) -> _Level:
    calm = cv2.GaussianBlur(image, (0, 0), blur)
    x, y = _places(image.shape)
    across = cv2.Sobel(calm, cv2.CV_32F, 1, 0, scale=1 / 8)
    along = cv2.Sobel(calm, cv2.CV_32F, 0, 1, scale=1 / 8)
    slopes = np.stack([across * x + along * y, along * x - across * y, across, along]).reshape(4, -1)
    together = cv2.mulTransposed(slopes, False).astype(np.float64) / calm.size
    stiff = _STIFF * (_EDGE / max(calm.shape)) ** 2
    return _Level(calm, blur, steps, slopes, np.linalg.inv(together + stiff) / calm.size)


def _places(shape: tuple[int, ...]) -> tuple[_Grey, _Grey]:
    """Give columns and rows as seen from the middle, in halves of the longer side."""
    reach = np.float32(max(shape) / 2)
    x, y = ((np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)) / reach for side in shape[::-1])
    return x, y[:, None]


def _coarse(small: _Grey) -> _Grey:
    factor = min(1.0, _COARSE_EDGE / max(small.shape))
    size = tuple(max(8, round(side * factor)) for side in small.shape[::-1])
    coarse: _Grey = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    return coarse


def _coarse_shift(frame: _Grey, reference: Searchable) -> _Square:
    """Try every shift on a still smaller image."""
    coarse = _coarse(frame)
    rows, columns = coarse.shape
    right, down = (int(min(np.ceil(_REACH * max(coarse.shape)), side // 4)) for side in (columns, rows))
    middle = coarse[down : rows - down, right : columns - right]  # a defect costs the same wherever it is looked for
    cost = cv2.matchTemplate(reference.coarse, middle, cv2.TM_SQDIFF) / middle.size
    place = int(np.argmin(cost + _shift_cost(right, down)))
    row, column = divmod(place, cost.shape[1])
    found = np.eye(3)
    found[:2, 2] = (right - column) * frame.shape[1] / columns, (down - row) * frame.shape[0] / rows
    return found


@lru_cache(maxsize=16)
def _shift_cost(right: int, down: int) -> _Square:
    x, y = np.arange(-right, right + 1) / right, np.arange(-down, down + 1) / down
    cost: _Square = _SHIFT_COST * (x**2 + y[:, None] ** 2)
    return cost


def _refined(frame: _Grey, reference: _Level, found: _Square) -> _Square:
    """Go on from a movement, on the reference's slopes, which stay the same."""
    calm = cv2.GaussianBlur(frame, (0, 0), reference.blur)
    shape, there = frame.shape, np.empty_like(reference.calm)
    beyond, refined = np.zeros(4), found
    for _ in range(reference.steps):
        np.copyto(there, reference.calm)  # where the frame does not reach it does not differ
        cv2.warpAffine(calm, refined[:2], shape[::-1], dst=there, flags=_MOVE, borderMode=cv2.BORDER_TRANSPARENT)
        np.subtract(there, reference.calm, out=there)
        np.minimum(np.maximum(there, -_CLIPPED, out=there), _CLIPPED, out=there)
        step = reference.inverse @ np.einsum("ij,j->i", reference.slopes, there.reshape(-1))
        beyond -= step
        refined = found @ _similarity(beyond, shape)
        if np.abs(step).max() < _ENOUGH:
            break
    return refined


def _similarity(steps: NDArray[np.float64], shape: tuple[int, ...]) -> _Square:
    """Turn scale, turn (both in pixels at the rim) and shift about the middle into a matrix."""
    scale, turn, right, down = steps.tolist()
    scale, turn = 1 + 2 * scale / max(shape), 2 * turn / max(shape)
    x, y = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    return np.array(
        [[scale, -turn, right + x - scale * x + turn * y], [turn, scale, down + y - turn * x - scale * y], [0, 0, 1]]
    )


def _likeness(frame: _Grey, reference: _Grey, found: _Square) -> float:
    """Compare blurred images where there are both: 1 less the difference's share of what they show."""
    calm, outside = cv2.GaussianBlur(frame, (0, 0), _LIKENESS_BLUR), cv2.BORDER_CONSTANT
    there = cv2.warpAffine(calm, found[:2], frame.shape[::-1], flags=_MOVE, borderMode=outside, borderValue=_OUTSIDE)
    inside = cv2.inRange(there, -_FAR, _FAR)
    if cv2.countNonZero(inside) < frame.size / 2:
        return 0.0
    images = (there, reference, cv2.subtract(there, reference))
    one, two, both = (float(cv2.meanStdDev(each, mask=inside)[1][0, 0]) ** 2 for each in images)
    return float(np.clip(1 - both / (one + two + 1e-3), 0, 1))


@lru_cache(maxsize=64)
def _there_and_back(shape: tuple[int, int], target: tuple[int, int]) -> tuple[_Square, _Square]:
    scaling = _scaling(shape, target)
    return scaling, np.asarray(np.linalg.inv(scaling), np.float64)


def _scaling(shape: tuple[int, ...], target: tuple[int, ...]) -> _Square:
    """Take pixels of an image to those of it resized; centres lie at 0.5."""
    across, down = target[1] / shape[1], target[0] / shape[0]
    return np.array([[across, 0, across / 2 - 0.5], [0, down, down / 2 - 0.5], [0, 0, 1]])
