"""Training views: random crops of frames, moved, stretched and lit, with their masks. numpy and OpenCV only.

Where frames are compared, a view holds frame and reference, cut alike. The reference is lit and blurred by itself, as
another photograph is, and lies where aligning left it, now and then a little beside.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from math import cos, radians, sin, tau

import cv2
import numpy as np
from numpy.typing import NDArray

from ...inspection.data.dataset import Dataset, Sample
from ...inspection.data.frame import FrameSpec
from ...inspection.data.kinds import kind_masks
from ...inspection.data.preparation import prepared, resized
from ...inspection.data.runs import mask_of
from ...inspection.data.streaming import read_sample, read_sample_mask
from ...inspection.references.alignment import Alignment, align
from ...inspection.references.pairs import compared_at, parts_of
from .fit_settings import AugmentationSettings
from .prepared_cache import PreparedCache

Pixels = NDArray[np.uint8]

_TRIES = 8
_SEEN_GREY_LEVELS = 10.0
_SEEN_SHARE = 0.5  # of the view's standard deviation: what a pixel must change by to be seen
_SEEN_PIXELS = 12
_BESIDE_PIXELS, _BESIDE_TURN = 0.8, 0.004  # standard deviations; of turn (in radians) and of scale
_LARGE_PIXELS, _MARKS_KEPT = 4_000_000, 1_000_000
_HALO_PIXELS = 2  # masks drawn by people reach beyond the defect


STAND_IN = "synthetic"
"""Label of a good sample that stands for a defective one: it is only ever shown with a defect drawn on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One training view.

    Attributes:
        pixels: uint8 `[height, width, planes]`, see `FrameSpec.planes`.
        mask: uint8 `[height, width]`, 255 = defective; all zero where `has_mask` is false.
        has_mask: Whether the mask says where the defect is: true for good parts, whose mask is empty.
        defective: Of this view: a crop beside the defect is good.
        certain: False where the view cuts a defect so that only a sliver at its rim shows: not to be judged by.
        kinds: uint8 `[height, width]`: 1 + the place of the kind of defect, 0 where there is none or it is not known;
            None: kinds are not asked for.
    """

    pixels: Pixels
    mask: Pixels
    has_mask: bool
    defective: bool
    certain: bool
    kinds: Pixels | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmenter:
    """Cuts views from one data set; the same generator state gives the same view.

    Attributes:
        dataset: Where frames are read from.
        frame: The network's input.
        settings: How views vary.
        grounds: Good samples that strokes are drawn on, see `ViewSettings.strokes`.
        alignments: Path of a sample to how its reference was moved onto it; filled as samples are shown.
        marks: Path of a sample with a large mask to rows and columns of what is marked; filled likewise.
        cache: Keeps large frames as they were prepared; None: every view reads its file.
    """

    dataset: Dataset
    frame: FrameSpec
    settings: AugmentationSettings
    grounds: tuple[Sample, ...] = ()
    alignments: dict[str, Alignment] = field(default_factory=dict, repr=False, compare=False)
    marks: dict[str, tuple[NDArray[np.intp], NDArray[np.intp]]] = field(default_factory=dict, repr=False, compare=False)
    cache: PreparedCache | None = field(default=None, repr=False, compare=False)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a view in pixels."""
        if (edge := self.settings.crop) is None:
            return self.frame.height, self.frame.width
        if edge == "auto":
            msg = "an augmenter needs views that `sampling.views_for` has settled"
            raise ValueError(msg)
        return min(edge, self.frame.height), min(edge, self.frame.width)

    def view(self, sample: Sample, generator: np.random.Generator) -> View:
        """Cut one random view of a sample; of a defective one, four in five are aimed at the defect."""
        pixels, seen, kinds, made_up = self._shown(sample, generator)
        seen_planes = 2 * self.dataset.channels if self.frame.reference else self.dataset.channels
        if generator.random() < self.settings.invert:
            pixels[:, :, :seen_planes] = 255 - pixels[:, :, :seen_planes]
            kinds = None if kinds is None else np.zeros_like(kinds)  # a gap in a light line, inverted, is no gap
        has_mask = made_up or sample.marked or not sample.defective
        rim = max(1, min(self.size) // 12)
        return View(
            pixels=self._lit(pixels, generator),
            mask=seen,
            has_mask=has_mask,
            defective=bool(seen.any()) if has_mask else True,
            certain=self.settings.crop is None or not seen.any() or bool(seen[rim:-rim, rim:-rim].any()),
            kinds=kinds,
        )

    def _lit(self, pixels: Pixels, generator: np.random.Generator) -> Pixels:
        """Light frame and reference each for itself; where there is a reference stays as it is."""
        strength = self.settings.lighting
        if not self.frame.reference:
            return _lit(pixels, strength, generator)
        count = self.dataset.channels
        frame, reference, there = np.split(pixels, [count, 2 * count], axis=2)
        lit = [_lit(frame, strength, generator), _blurred(_lit(reference, strength, generator), generator), there]
        return np.concatenate(lit, axis=2)

    def _shown(self, sample: Sample, generator: np.random.Generator) -> tuple[Pixels, Pixels, Pixels | None, bool]:
        """Give a piece of the sample, or of a good one with a stroke on it; the last says which."""
        if sample.defective and self.grounds and generator.random() < self.settings.synthetic_defects:
            ground = self.grounds[int(generator.integers(len(self.grounds)))]
            view, count = self._cut(ground, generator)[0], self.dataset.channels
            if (made := with_synthetic_defect(view[:, :, :count], generator)) is not None:
                unknown = np.zeros_like(made[1]) if self.frame.kinds else None
                return np.concatenate([made[0], view[:, :, count:]], axis=2), made[1], unknown, True
            if sample.label == STAND_IN:
                return *self._cut(ground, generator), True
        return *self._cut(sample, generator), False

    def _cut(self, sample: Sample, generator: np.random.Generator) -> tuple[Pixels, Pixels, Pixels | None]:
        """Give pixels `[height, width, planes]`, mask and kinds `[height, width]` of a random piece of the frame."""
        pixels, mask = self._prepared(sample) if self.cache is None else self.cache.of(sample, self._prepared)
        pixels = self._planes(sample, pixels, generator)
        aim = _aim(self._marks(sample, mask), generator) if self.settings.crop and generator.random() < 0.8 else None
        to_source = _random_matrix(pixels.shape[:2], self.size, self.frame, self.settings, aim, generator)
        flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
        size = self.size[::-1]
        parts = np.split(pixels, range(4, pixels.shape[2], 4), axis=2)  # OpenCV moves at most four channels at once
        cuts = [cv2.warpAffine(each, to_source, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101) for each in parts]
        moved = np.concatenate([each.reshape(*self.size, -1) for each in cuts], axis=2)
        seen = cv2.warpAffine(mask, to_source, size, flags=flags, borderMode=cv2.BORDER_CONSTANT)
        kinds = self._kinds(sample, mask.shape)
        if kinds is not None:
            nearest = cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST
            kinds = cv2.warpAffine(kinds, to_source, size, flags=nearest, borderMode=cv2.BORDER_CONSTANT)
        return moved, np.where(seen >= 96, 255, 0).astype(np.uint8), kinds

    def _marks(self, sample: Sample, mask: Pixels) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Give rows and columns of what is marked; of a large mask it is looked for once."""
        if sample.path in self.marks:
            return self.marks[sample.path]
        rows, columns = np.nonzero(mask)
        if mask.size >= _LARGE_PIXELS and len(rows) <= _MARKS_KEPT:
            self.marks[sample.path] = rows, columns
        return rows, columns

    def _planes(self, sample: Sample, array: Pixels, generator: np.random.Generator) -> Pixels:
        """Move the reference of a pair onto its frame, now and then a little beside; a frame alone stays as it is."""
        if not self.frame.reference:
            return array
        if sample.path not in self.alignments:
            self.alignments[sample.path] = align(*parts_of(array))
        size = (len(array) // 2, array.shape[1])
        return compared_at(array, _beside(self.alignments[sample.path].matrix, size, generator)).planes()

    def _kinds(self, sample: Sample, shape: tuple[int, ...]) -> Pixels | None:
        """Say where which kind of defect is; everywhere the one that is labelled, where nobody said where."""
        names = self.frame.kinds
        if not names:
            return None
        places = np.zeros(shape, np.uint8)
        if sample.marked:
            for kind, mask in zip(self.dataset.kinds, kind_masks(self.dataset, sample), strict=True):
                if kind in names and mask.any():
                    places[_at_size(mask, shape)] = 1 + names.index(kind)
        elif sample.defective and len(sample.kinds) == 1 and sample.kinds[0] in names:
            places[:] = 1 + names.index(sample.kinds[0])
        return places

    def _prepared(self, sample: Sample) -> tuple[Pixels, Pixels]:
        """Read a sample as it is prepared for the graph, and its mask likewise: what shrinks marks all that it touches.

        What is ignored is marked by nothing.
        """
        pixels, mask = prepared(read_sample(self.dataset, sample), self.frame), _mask_of(self.dataset, sample)
        size = (len(pixels) // 2 if self.frame.reference else len(pixels), pixels.shape[1])
        if mask.shape != size:
            mask = np.where(resized(mask[..., None], *size)[..., 0] > 0, 255, 0).astype(np.uint8)
        if self.frame.ignore is not None:
            mask = np.where(mask_of(self.frame.ignore, *size), np.uint8(0), mask)
        return pixels, mask


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


def _beside(matrix: NDArray[np.float64], size: tuple[int, int], generator: np.random.Generator) -> NDArray[np.float64]:
    """Put a reference a little beside its place, half of the time: no alignment is exact."""
    if generator.random() < 0.5:
        return matrix
    right, down = generator.normal(0, _BESIDE_PIXELS, 2)
    turn, scale = generator.normal(0, _BESIDE_TURN, 2)
    linear = np.array([[1 + scale, -turn], [turn, 1 + scale]])
    middle = np.array([size[1] - 1, size[0] - 1]) / 2
    step = np.vstack([np.column_stack([linear, middle + np.array([right, down]) - linear @ middle]), [0, 0, 1]])
    moved: NDArray[np.float64] = np.vstack([matrix, [0, 0, 1]]) @ step
    return moved[:2]


def _blurred(pixels: Pixels, generator: np.random.Generator) -> Pixels:
    """Blur one view in four: photographs differ in sharpness."""
    if generator.random() < 0.75:
        return pixels
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), generator.uniform(0.4, 1.2)), np.uint8).reshape(pixels.shape)


def _at_size(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Bring a mask to the size of a prepared frame: what shrinks marks all that it touches."""
    if mask.shape == shape:
        return mask
    return np.asarray(resized(mask.astype(np.uint8)[..., None] * 255, shape[0], shape[1])[..., 0] > 0)


def _mask_of(dataset: Dataset, sample: Sample) -> Pixels:
    mask = read_sample_mask(dataset, sample)
    return np.zeros((sample.height, sample.width), np.uint8) if mask is None else mask.astype(np.uint8) * 255


def _aim(
    marks: tuple[NDArray[np.intp], NDArray[np.intp]], generator: np.random.Generator
) -> tuple[float, float] | None:
    rows, columns = marks
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
    across, down = (1.0, 1.0) if frame.tiles else (source[1] / frame.width, source[0] / frame.height)
    per_view_pixel = np.diag([across / (zoom * aspect), down / zoom * aspect])
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
