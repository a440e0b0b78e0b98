"""Training views: random crops of frames, moved, stretched and lit, with their masks. numpy and OpenCV only."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import cos, radians, sin, tau

import cv2
import numpy as np
from numpy.typing import NDArray

from ...inspection.data.dataset import Dataset, Sample
from ...inspection.data.frame import FrameSpec
from ...inspection.data.masks import read_mask
from ...inspection.data.streaming import read_sample
from .fit_settings import AugmentationSettings

Pixels = NDArray[np.uint8]

_TRIES = 8
_SEEN_GREY_LEVELS = 10.0
_SEEN_SHARE = 0.5  # of the view's standard deviation: what a pixel must change by to be seen
_SEEN_PIXELS = 12
_HALO_PIXELS = 2  # masks drawn by people reach beyond the defect


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One training view.

    Attributes:
        pixels: uint8 `[height, width, channels]`.
        mask: uint8 `[height, width]`, 255 = defective; all zero where `has_mask` is false.
        has_mask: Whether the mask says where the defect is: true for good parts, whose mask is empty.
        defective: Of this view: a crop beside the defect is good.
        certain: False where the view cuts a defect so that only a sliver at its rim shows: not to be judged by.
    """

    pixels: Pixels
    mask: Pixels
    has_mask: bool
    defective: bool
    certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmenter:
    """Cuts views from one data set; the same generator state gives the same view.

    Attributes:
        dataset: Where frames are read from.
        frame: The network's input.
        settings: How views vary.
        grounds: Good samples that strokes are drawn on, see `ViewSettings.strokes`.
    """

    dataset: Dataset
    frame: FrameSpec
    settings: AugmentationSettings
    grounds: tuple[Sample, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a view in pixels."""
        if self.settings.crop is None:
            return self.frame.height, self.frame.width
        return min(self.settings.crop, self.frame.height), min(self.settings.crop, self.frame.width)

    def view(self, sample: Sample, generator: np.random.Generator) -> View:
        """Cut one random view of a sample; of a defective one, four in five are aimed at the defect."""
        pixels, seen, made_up = self._shown(sample, generator)
        if generator.random() < self.settings.invert:
            pixels = 255 - pixels
        has_mask = made_up or sample.mask is not None or not sample.defective
        rim = max(1, min(self.size) // 12)
        return View(
            pixels=_lit(pixels, self.settings.lighting, generator),
            mask=seen,
            has_mask=has_mask,
            defective=bool(seen.any()) if has_mask else True,
            certain=self.settings.crop is None or not seen.any() or bool(seen[rim:-rim, rim:-rim].any()),
        )

    def _shown(self, sample: Sample, generator: np.random.Generator) -> tuple[Pixels, Pixels, bool]:
        """Give a piece of the sample, or of a good one with a stroke on it; the last says which."""
        if sample.defective and self.grounds and generator.random() < self.settings.synthetic_defects:
            ground = self.grounds[int(generator.integers(len(self.grounds)))]
            if (made := with_synthetic_defect(self._cut(ground, generator)[0], generator)) is not None:
                return *made, True
        return *self._cut(sample, generator), False

    def _cut(self, sample: Sample, generator: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Give pixels `[height, width, channels]` and mask `[height, width]` of one random piece of the frame."""
        pixels = read_sample(self.dataset, sample)
        mask = _mask_of(self.dataset, sample)
        aim = _aim(mask, generator) if self.settings.crop and generator.random() < 0.8 else None
        to_source = _random_matrix(pixels.shape[:2], self.size, self.frame, self.settings, aim, generator)
        flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
        size = self.size[::-1]
        moved = cv2.warpAffine(pixels, to_source, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        seen = cv2.warpAffine(mask, to_source, size, flags=flags, borderMode=cv2.BORDER_CONSTANT)
        return moved.reshape(*self.size, self.dataset.channels), np.where(seen >= 96, 255, 0).astype(np.uint8)


def with_synthetic_defect(pixels: Pixels, generator: np.random.Generator) -> tuple[Pixels, Pixels] | None:
    """Draw one stroke that can be seen over a good view, filled with what stands elsewhere in it.

    After CutPaste (Li et al. 2021, arXiv 2104.04015). A stroke on a circuit board joins, cuts, bites or dots,
    on a ground surface it scratches: what is wrong is where it is.

    Args:
        pixels: A good view, uint8 `[height, width, channels]`; not changed.
        generator: Chooses place, shape and filling.

    Returns:
        The view with the stroke, and its mask, uint8 `[height, width]`, 255 = defective; None where nothing in the
        view would show on it, such as on a blank one.
    """
    limit = max(_SEEN_GREY_LEVELS, _SEEN_SHARE * float(pixels.std()))
    for _ in range(_TRIES):
        under = _shape((pixels.shape[0], pixels.shape[1]), generator)[..., None] > 0
        made: Pixels = np.where(under, _filling(pixels, generator), pixels)
        changed = cv2.absdiff(made, pixels).reshape(pixels.shape).max(axis=2) >= limit
        if int(changed.sum()) >= _SEEN_PIXELS:
            return made, _with_halo(changed)
    return None


def _mask_of(dataset: Dataset, sample: Sample) -> Pixels:
    if sample.mask is None:
        return np.zeros((sample.height, sample.width), np.uint8)
    mask: Pixels = read_mask(dataset.root / sample.mask, dataset.masks).astype(np.uint8) * 255
    return mask


def _aim(mask: Pixels, generator: np.random.Generator) -> tuple[float, float] | None:
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    chosen = int(generator.integers(len(rows)))
    return float(rows[chosen]), float(columns[chosen])


def _random_matrix(
    source: tuple[int, int],
    size: tuple[int, int],
    frame: FrameSpec,
    settings: AugmentationSettings,
    aim: tuple[float, float] | None,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Make the 2 x 3 matrix that takes view pixels (x, y) to source pixels.

    One view in three keeps the camera's own scale and whole pixels: interpolation softens edges, and the frames that
    the line sends have never been through it.
    """
    plain = generator.random() < 1 / 3
    zoom, aspect, angle = (1.0, 1.0, 0.0) if plain else _random_geometry(settings, generator)
    per_view_pixel = np.diag([source[1] / frame.width / (zoom * aspect), source[0] / frame.height / zoom * aspect])
    turn = np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])
    linear = per_view_pixel @ turn @ _symmetry(settings, generator)
    reach = np.abs(linear) @ np.array([size[1], size[0]]) / 2
    x = _centre(source[1], reach[0], aim and aim[1], generator)
    y = _centre(source[0], reach[1], aim and aim[0], generator)
    offset = np.array([x, y]) - linear @ np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    return np.column_stack([linear, np.round(offset) if plain else offset])


def _random_geometry(settings: AugmentationSettings, generator: np.random.Generator) -> tuple[float, float, float]:
    """Draw zoom and aspect, as likely larger as smaller, and an angle in radians."""
    zoom, aspect = np.exp(generator.uniform(-1, 1, size=2) * np.log([settings.zoom, settings.aspect]))
    return float(zoom), float(aspect), radians(generator.uniform(-1, 1) * settings.rotation_deg)


def _centre(length: int, reach: float, aim: float | None, generator: np.random.Generator) -> float:
    """Pick a centre so that the view stays inside the frame where it can, and the aim inside the view."""
    low, high = reach, length - reach
    if low >= high - 0.5:
        return length / 2 + generator.uniform(-0.04, 0.04) * length
    if aim is not None:
        low, high = max(low, min(aim - 0.7 * reach, high)), min(high, max(aim + 0.7 * reach, low))
    return float(generator.uniform(low, high))


def _symmetry(settings: AugmentationSettings, generator: np.random.Generator) -> NDArray[np.float64]:
    flips = generator.choice([-1.0, 1.0], size=2) if settings.symmetries != "none" else np.ones(2)
    matrix = np.diag(flips)
    swap = settings.symmetries == "all" and generator.random() < 0.5
    return matrix[::-1].copy() if swap else matrix


def _lit(pixels: Pixels, strength: float, generator: np.random.Generator) -> Pixels:
    """Change the light: half of the views keep theirs, so that the camera's own look is always seen too."""
    if strength == 0 or generator.random() < 0.5:
        return pixels
    values = pixels.astype(np.float32) / 255
    values = values ** float(np.exp(generator.uniform(-0.7, 0.7) * strength))
    gain, offset = 1 + strength * generator.uniform(-0.5, 0.5), strength * generator.uniform(-0.2, 0.2)
    values = values * gain + offset + strength * _shading(pixels.shape[:2], generator)[..., None]
    if generator.random() < 0.3 * strength:
        values = cv2.GaussianBlur(values, (0, 0), generator.uniform(0.4, 1.0)).reshape(values.shape)
    noise = generator.standard_normal(values.shape, dtype=np.float32) * strength * generator.uniform(0, 0.06)
    return (np.clip(values + noise, 0, 1) * 255 + 0.5).astype(np.uint8)


def _shading(size: tuple[int, int], generator: np.random.Generator) -> NDArray[np.float32]:
    """Give a smooth field of about +-0.2, as a lamp at the side makes it."""
    coarse = generator.uniform(-0.2, 0.2, size=(3, 3)).astype(np.float32)
    field: NDArray[np.float32] = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    return field


def _with_halo(changed: NDArray[np.bool_]) -> Pixels:
    halo = np.ones((2 * _HALO_PIXELS + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(changed.astype(np.uint8) * 255, halo), np.uint8)


def _shape(size: tuple[int, int], generator: np.random.Generator) -> Pixels:
    """Draw a ragged line that wanders, long and thin or short and thick: uint8 `[height, width]`, 255 on it."""
    edge = min(size)
    reach = float(edge * np.exp(generator.uniform(np.log(0.08), np.log(0.4))))
    thickest = int(generator.integers(2, max(3, edge // 12) + 1))
    pieces = int(generator.integers(2, 9))
    headings = generator.uniform(0, tau) + np.cumsum(generator.normal(0, 0.7, size=pieces))
    steps = reach / pieces * np.column_stack([np.cos(headings), np.sin(headings)])
    start = generator.uniform(0, 1, size=2) * (size[1], size[0])
    corners = np.round(start + np.vstack([np.zeros(2), np.cumsum(steps, axis=0)])).astype(int).tolist()
    canvas = np.zeros(size, np.uint8)
    for one, other in pairwise(corners):
        cv2.line(canvas, one, other, 255, int(generator.integers(1, thickest + 1)))
    return canvas


def _filling(pixels: Pixels, generator: np.random.Generator) -> Pixels:
    """Fill with one pixel's colour or with the view itself, moved: uint8, to be spread over the view's shape."""
    down, right = int(generator.integers(pixels.shape[0])), int(generator.integers(pixels.shape[1]))
    if generator.random() < 0.5:
        pixel: Pixels = pixels[down, right]
        return pixel
    moved: Pixels = np.roll(pixels, (down, right), axis=(0, 1))
    return moved
