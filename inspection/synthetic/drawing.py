"""Draws the parts of the synthetic line: a brushed plate with a height and a reflectance, photographed under a lamp.

A scratch and a pit change the height and how bright the metal is, a stain only the latter, a missing corner the
outline; what the camera sees follows from the lamp (Lambert's law for small slopes). So one part looks different in
each exposure, as real ones do. Every mark is drawn as a set of pixels first, which makes the masks exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

FRAME_PX = 128
_MARGIN_PX = 8
_CANVAS_PX = FRAME_PX + 2 * _MARGIN_PX

Floats = NDArray[np.float32]
Pixels = NDArray[np.bool_]
Point = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One plate; all arrays have the shape `[canvas, canvas]` and are filled in while it is drawn.

    Attributes:
        height: Surface relief in pixels; small against 1.
        reflectance: Share of light sent back, about 0.3 to 0.8.
        body: Where the plate is.
        defect: Where it is defective.
        corners: The plate's corners, shape `[4, 2]`, x before y, in order around it.
        grain_rad: Direction of the brushing.
    """

    height: Floats
    reflectance: Floats
    body: Pixels
    defect: Pixels
    corners: Point
    grain_rad: float


def draw_part(kind: str, random: np.random.Generator) -> Part:
    """Draw a plate with harmless marks and, unless `kind` is `good`, one kind of defect (a key of `DEFECTS`)."""
    part = _blank(random)
    _tool_marks(part, random)
    _bosses(part, random)
    _clouds(part, random)
    _chamfers(part, random)
    if kind != "good":
        DEFECTS[kind](part, random)
    return part


def expose(part: Part, random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Photograph a plate: the lamp's side, strength and fall-off, the trigger's jitter and the noise are drawn anew.

    Returns:
        Frame and mask (0 or 255), both uint8 `[FRAME_PX, FRAME_PX]`.
    """
    lamp, fall_off = _direction(random), _direction(random)
    slope_y, slope_x = np.gradient(part.height)
    across = np.linspace(-1, 1, _CANVAS_PX, dtype=np.float32)
    light = 1 + np.float32(1.6) * (lamp[0] * slope_x + lamp[1] * slope_y)
    light *= 1 + np.float32(random.uniform(0.05, 0.35)) * (fall_off[0] * across + fall_off[1] * across[:, None])
    light *= np.float32(random.uniform(0.7, 1.2))
    belt = np.float32(0.1) + np.float32(0.02) * _white(random)
    seen = cv2.GaussianBlur(np.where(part.body, part.reflectance * light, belt), (0, 0), 0.6)
    seen += np.float32(random.uniform(0.006, 0.014)) * _white(random)
    top, left = random.integers(_MARGIN_PX // 2, _MARGIN_PX * 3 // 2 + 1, 2)
    window = slice(top, top + FRAME_PX), slice(left, left + FRAME_PX)
    return _grey(seen[window]), _grey(part.defect[window])


def _blank(random: np.random.Generator) -> Part:
    grain_rad = random.uniform(0, np.pi)
    relief = random.uniform(0.02, 0.09) * _brushed(random, grain_rad)
    relief += random.uniform(0.005, 0.02) * _noise(random, blur_px=0.7) + 0.5 * _noise(random, blur_px=14)
    shape = (_CANVAS_PX, _CANVAS_PX)
    centre = _CANVAS_PX / 2 + random.uniform(-2, 2, 2)
    corners = cv2.boxPoints((tuple(centre), tuple(random.uniform(94, 106, 2)), random.uniform(-4, 4)))
    return Part(
        height=relief,
        reflectance=np.full(shape, random.uniform(0.45, 0.65), np.float32),
        body=_filled(corners),
        defect=np.zeros(shape, np.bool_),
        corners=corners.astype(np.float64),
        grain_rad=grain_rad,
    )


def _tool_marks(part: Part, random: np.random.Generator) -> None:
    """Straight shallow grooves along the grain: like scratches, but those run across it."""
    for _ in range(random.integers(1, 6)):
        middle = _place(part, random)
        points = _path(middle, part.grain_rad + random.normal(0, 0.03), random.uniform(25, 90), bend=0.0)
        _raise(part, _stroke(points, 1) & part.body, -random.uniform(0.12, 0.35))


def _bosses(part: Part, random: np.random.Generator) -> None:
    """Round shallow bumps with clean metal on them: like pits, but those are ragged and dark inside."""
    for _ in range(random.integers(0, 5)):
        marked = _filled(_ragged(_place(part, random), random.uniform(2, 4), 0.0, random))
        _raise(part, marked, random.uniform(0.2, 0.5))


def _clouds(part: Part, random: np.random.Generator) -> None:
    """Soft-edged darker and lighter areas: like stains, but those have an outline."""
    part.reflectance[...] *= 1 + random.uniform(0.02, 0.09) * _noise(random, blur_px=random.uniform(7, 14))


def _chamfers(part: Part, random: np.random.Generator) -> None:
    """Small straight cuts that belong to the plate: like missing corners, but those are larger and ragged."""
    for corner in range(4):
        part.body[...] &= ~_cut(part, corner, random.uniform(0, 6, 2), 0.0, random)


def _scratch(part: Part, random: np.random.Generator) -> None:
    across_rad = part.grain_rad + random.uniform(np.pi / 4, 3 * np.pi / 4)
    points = _path(_place(part, random), across_rad, random.uniform(14, 40), bend=random.uniform(-0.25, 0.25))
    marked = _stroke(points, int(random.integers(1, 3))) & part.body
    _raise(part, marked, -random.uniform(0.4, 0.9))
    part.reflectance[marked] *= random.uniform(1.25, 1.6)
    part.defect[...] |= marked


def _pits(part: Part, random: np.random.Generator) -> None:
    for _ in range(random.integers(1, 4)):
        marked = _filled(_ragged(_place(part, random), random.uniform(1.8, 3.5), 0.35, random)) & part.body
        _raise(part, marked, -random.uniform(0.4, 0.9))
        part.reflectance[marked] *= random.uniform(0.5, 0.75)
        part.defect[...] |= marked


def _stain(part: Part, random: np.random.Generator) -> None:
    outline = _ragged(_place(part, random), random.uniform(5, 11), 0.3, random)
    marked = _filled(outline) & part.body
    rim = marked & ~(cv2.erode(marked.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    part.reflectance[marked] *= random.uniform(0.74, 0.88)
    part.reflectance[rim] *= 0.9
    part.defect[...] |= marked


def _missing_corner(part: Part, random: np.random.Generator) -> None:
    gone = _cut(part, int(random.integers(4)), random.uniform(10, 18, 2), 1.5, random) & part.body
    part.body[...] &= ~gone
    part.defect[...] |= gone


DEFECTS: MappingProxyType[str, Callable[[Part, np.random.Generator], None]] = MappingProxyType(
    {"scratch": _scratch, "pit": _pits, "stain": _stain, "missing_corner": _missing_corner}
)


def _raise(part: Part, marked: Pixels, rise_px: float) -> None:
    part.height[...] += np.float32(rise_px) * cv2.GaussianBlur(marked.astype(np.float32), (0, 0), 0.7)


def _cut(part: Part, corner: int, legs_px: Point, rough_px: float, random: np.random.Generator) -> Pixels:
    """Pixels of a corner cut off at `legs_px` along its two sides, the edge of the cut roughened."""
    tip = part.corners[corner]
    sides = np.stack([part.corners[(corner + step) % 4] - tip for step in (-1, 1)])
    sides /= np.linalg.norm(sides, axis=1, keepdims=True)
    first, last = tip + np.asarray(legs_px)[:, None] * sides
    edge = np.linspace(first, last, 6)
    edge[1:-1] += rough_px * random.standard_normal((4, 2))
    beyond = tip - 3 * sides.sum(axis=0)
    return _filled(np.vstack([edge, beyond]))


def _direction(random: np.random.Generator) -> Floats:
    angle_rad = random.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle_rad), np.sin(angle_rad)], dtype=np.float32)


def _place(part: Part, random: np.random.Generator) -> Point:
    """A point on the plate, a tenth of its sides away from its edges."""
    weight_a, weight_b = random.uniform(0.1, 0.9, 2)
    origin, side_a, _, side_b = part.corners
    return np.asarray(origin + weight_a * (side_a - origin) + weight_b * (side_b - origin))


def _path(middle: Point, direction_rad: float, length_px: float, *, bend: float) -> Point:
    """Points of an arc of a parabola; `bend` is its sag as a share of its length. Shape `[16, 2]`."""
    along = np.linspace(-0.5, 0.5, 16)
    local = length_px * np.stack([along, bend * (4 * along**2 - 1)], axis=1)
    cosine, sine = np.cos(direction_rad), np.sin(direction_rad)
    return np.asarray(middle + local @ np.array([[cosine, sine], [-sine, cosine]]))


def _ragged(middle: Point, radius_px: float, rough: float, random: np.random.Generator) -> Point:
    """Outline of a blob whose radius varies by the share `rough` (0: a circle). Shape `[24, 2]`."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    waves = sum(random.normal() * np.cos(n * angle + random.uniform(0, 2 * np.pi)) / n for n in (1, 2, 3, 5))
    radius = radius_px * np.clip(1 + rough * waves, 0.4, 1.8)
    return np.asarray(middle + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1))


def _filled(points: Point) -> Pixels:
    canvas = np.zeros((_CANVAS_PX, _CANVAS_PX), np.uint8)
    cv2.fillPoly(canvas, [np.rint(points).astype(np.int32)], 1)
    return canvas > 0


def _stroke(points: Point, width_px: int) -> Pixels:
    canvas = np.zeros((_CANVAS_PX, _CANVAS_PX), np.uint8)
    cv2.polylines(canvas, [np.rint(points).astype(np.int32)], isClosed=False, color=1, thickness=width_px)
    return canvas > 0


def _grey(share: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.clip(np.rint(255 * share.astype(np.float64)), 0, 255).astype(np.uint8)


def _noise(random: np.random.Generator, *, blur_px: float) -> Floats:
    """Blurred white noise of mean 0 and standard deviation 1."""
    return _standardised(cv2.GaussianBlur(_white(random), (0, 0), blur_px))


def _brushed(random: np.random.Generator, grain_rad: float) -> Floats:
    """White noise smeared along the grain, of mean 0 and standard deviation 1."""
    smear = np.zeros((31, 31), np.float32)
    reach = 14 * np.array([np.cos(grain_rad), np.sin(grain_rad)])
    ends = [tuple(int(value) for value in np.rint(15 + sign * reach)) for sign in (-1, 1)]
    cv2.line(smear, ends[0], ends[1], 1.0)
    return _standardised(cv2.filter2D(_white(random), -1, smear))


def _white(random: np.random.Generator) -> Floats:
    return random.standard_normal((_CANVAS_PX, _CANVAS_PX), dtype=np.float32)


def _standardised(values: Floats) -> Floats:
    return np.asarray((values - values.mean()) / values.std(), dtype=np.float32)
