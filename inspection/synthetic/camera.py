"""A synthetic line under a real camera: large frames, small defects of known size, exact masks, drawn from a seed.

An area camera sees a matt, grained surface under uneven light; a line scan camera sees it through lines of unequal
gain, as such cameras do. Grains, soft spots and bright specks are harmless; pits, scratches and stains are defects. Of
each kind there are all sizes, even in their logarithm, so that it can be told from which size on they are found.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from ..base.errors import DataError
from ..base.storage import write_bytes
from ..data.bayer import Bayer
from ..data.dataset import Split
from .png import write_png

Pixels = NDArray[np.uint8]

KINDS = ("pit", "scratch", "stain")
_TEXTURE_PX = 1024
_CONTRAST = MappingProxyType({"pit": 70, "scratch": 60, "stain": 30})
_SPLITS: tuple[Split, ...] = ("train", "train", "train", "val", "test")
_FEWEST_PARTS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """What takes the frames.

    Attributes:
        width: Of a frame, in pixels, >= 64.
        height: Likewise.
        channels: 1 (grey) or 3 (colour).
        lines: Whether it scans lines: each column has a gain of its own, and light falls off to both ends.
        bayer: Gives the sensor's raw mosaic of this pattern instead of colours, of 3 channels; None: it does not.
    """

    width: int
    height: int
    channels: int = 1
    lines: bool = False
    bayer: Bayer | None = None

    def __post_init__(self) -> None:
        """Refuse frames that nothing can be drawn on."""
        if min(self.width, self.height) < 64 or self.channels not in (1, 3):
            msg = f"synthetic camera: wanted at least 64 x 64 pixels, 1 or 3 channels, got {self}"
            raise DataError(msg)
        if self.bayer is not None and self.channels == 1:
            msg = f"synthetic camera: a mosaic is of 3 channels, got {self}"
            raise DataError(msg)


CAMERAS = MappingProxyType(
    {
        "area_5mp": Camera(width=2448, height=2048),
        "area_5mp_colour": Camera(width=2448, height=2048, channels=3),
        "area_5mp_bayer": Camera(width=2448, height=2048, channels=3, bayer="rggb"),
        "area_12mp_colour": Camera(width=4096, height=3000, channels=3),
        "line_8k": Camera(width=8192, height=2048, lines=True),
    }
)
"""Cameras as they stand over belts."""


def write_camera_line(
    root: Path, camera: Camera, *, seed: int = 0, parts: int = 200, defect_px: tuple[float, float] = (4, 40)
) -> None:
    """Write the data set in the layout `labels_csv`: PNG frames, masks, `defects.csv`, and `labels.csv` last.

    Every second part has one defect. Three fifths of the parts are train, a fifth val and a fifth test. All bytes are
    the same for one seed (and one version of numpy and OpenCV). `defects.csv` says of each defect how large it is.

    Args:
        root: Folder to fill; made where it does not exist. A file of the same name in it is overwritten.
        camera: What takes the frames, one of each part.
        seed: Any integer >= 0.
        parts: Physical parts, >= 60, so that every split has good and defective ones of each kind.
        defect_px: Smallest and largest length or diameter of a defect in camera pixels, >= 2.

    Raises:
        DataError: A number is too small.
        StorageError: The disk is full or `root` cannot be written.
    """
    if (
        parts < _FEWEST_PARTS
        or seed < 0
        or not 2 <= defect_px[0] <= defect_px[1] <= min(camera.width, camera.height) / 2
    ):
        msg = (
            f"synthetic camera: wanted parts >= {_FEWEST_PARTS}, seed >= 0 and 2 <= defect_px up to half a frame, got "
            f"{parts}, {seed} and {list(defect_px)}"
        )
        raise DataError(msg)
    surface = Surface(camera, seed)
    rows, defects = ["path,label,split,mask,group"], ["mask,kind,size_px"]
    for index in range(parts):
        random = np.random.default_rng([seed, index])
        kind = KINDS[index // 2 % len(KINDS)] if index % 2 else "good"
        size_px = exp(random.uniform(log(defect_px[0]), log(defect_px[1])))
        frame, mask = surface.photograph(kind, size_px, random)
        split, name = _SPLITS[index // 2 % len(_SPLITS)], f"part{index:05d}.png"
        write_png(root / "frames" / kind / name, frame, compression=1)
        if kind != "good":
            write_png(root / "masks" / kind / name, mask, compression=1)
            defects.append(f"masks/{kind}/{name},{kind},{size_px:.2f}")
        marked = "" if kind == "good" else f"masks/{kind}/{name}"
        rows.append(f"frames/{kind}/{name},{kind},{split},{marked},part{index:05d}")
    for name, lines in (("defects.csv", defects), ("labels.csv", rows)):
        write_bytes(root / name, "".join(f"{line}\n" for line in lines).encode())


class Surface:
    """What all parts of a line have in common; a frame costs a few passes over its pixels.

    Attributes:
        camera: What takes the frames.
    """

    def __init__(self, camera: Camera, seed: int) -> None:
        """Draw the grain once, from a seed."""
        random = np.random.default_rng([seed, 1 << 20])
        self.camera = camera
        self._grains = [_grain(random) for _ in range(3)]
        column = 128 + 4 * random.standard_normal(camera.width)
        self._columns = np.clip(np.rint(column), 0, 255).astype(np.uint8)

    def photograph(self, kind: str, size_px: float, random: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Draw one part.

        Args:
            kind: `good`, or a defect of `KINDS`.
            size_px: Its length or diameter in pixels.
            random: Chooses all else.

        Returns:
            Frame uint8 `[height, width, channels]`, of a mosaic `[height, width, 1]`, and mask uint8 `[height, width]`,
            255 where the defect is.
        """
        height, width = self.camera.height, self.camera.width
        grey = cv2.add(self._light(random), self._grain_of(random), dtype=cv2.CV_8U)
        _specks(grey, random)
        mask = np.zeros((height, width), np.uint8)
        if kind != "good":
            _draw(mask, kind, size_px, random)
            grey[mask > 0] = np.maximum(grey[mask > 0].astype(np.int16) - _CONTRAST[kind], 0).astype(np.uint8)
        if self.camera.channels == 1:
            return grey[..., None], mask
        frame = _tinted(grey)
        return frame if self.camera.bayer is None else _mosaic(frame, self.camera.bayer), mask

    def _light(self, random: np.random.Generator) -> NDArray[np.int16]:
        """Light that differs over the frame and from frame to frame, of mean 128 or so."""
        coarse = (random.uniform(100, 150) + random.uniform(-18, 18, (4, 4))).astype(np.float32)
        if self.camera.lines:
            coarse[:, (0, -1)] -= 25
        size = (self.camera.width, self.camera.height)
        light = cv2.resize(cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC), size).astype(np.int16)
        return np.asarray(light + (self._columns.astype(np.int16) - 128) if self.camera.lines else light, np.int16)

    def _grain_of(self, random: np.random.Generator) -> NDArray[np.int16]:
        """Lay the grain out over the frame, begun somewhere else each time."""
        grain = self._grains[int(random.integers(len(self._grains)))]
        grain = np.roll(grain, tuple(random.integers(0, _TEXTURE_PX, 2)), axis=(0, 1))
        repeats = -(-self.camera.height // _TEXTURE_PX), -(-self.camera.width // _TEXTURE_PX)
        return np.asarray(np.tile(grain, repeats)[: self.camera.height, : self.camera.width], np.int16)


def _grain(random: np.random.Generator) -> NDArray[np.int16]:
    noise = random.standard_normal((_TEXTURE_PX, _TEXTURE_PX), dtype=np.float32)
    coarse = cv2.GaussianBlur(noise, (0, 0), 6)
    grained = 5 * noise + 60 * coarse
    return np.asarray(np.rint(grained), np.int16)


def _specks(grey: Pixels, random: np.random.Generator) -> None:
    """Bright specks and faint soft spots, which are harmless, in place."""
    for _ in range(random.integers(5, 15)):
        centre = tuple(int(random.integers(side)) for side in grey.shape[::-1])
        cv2.circle(grey, centre, int(random.integers(1, 4)), int(random.integers(200, 245)), cv2.FILLED)


def _draw(mask: Pixels, kind: str, size_px: float, random: np.random.Generator) -> None:
    """Mark a defect somewhere inside a mask, in place."""
    margin = int(size_px) + 4
    row, column = (int(random.integers(margin, side - margin)) for side in mask.shape)
    angle = random.uniform(0, np.pi)
    if kind == "scratch":
        half = size_px / 2 * np.array([np.cos(angle), np.sin(angle)])
        ends = [tuple(np.rint([column, row] + sign * half).astype(int).tolist()) for sign in (-1, 1)]
        cv2.line(mask, ends[0], ends[1], 255, 2 if size_px > 16 else 1)
        return
    axes = (max(1, round(size_px / 2)), max(1, round(size_px / 2 * random.uniform(0.6, 1))))
    cv2.ellipse(mask, (column, row), axes, float(np.degrees(angle)), 0, 360, 255, cv2.FILLED)


def _tinted(grey: Pixels) -> Pixels:
    return np.asarray(cv2.merge([cv2.convertScaleAbs(grey, alpha=share) for share in (1.0, 0.92, 0.8)]), np.uint8)


def _mosaic(frame: Pixels, pattern: Bayer) -> Pixels:
    """Leave each pixel the one colour that the sensor sees there."""
    seen = np.empty((*frame.shape[:2], 1), np.uint8)
    for place, colour in enumerate(pattern):
        corner = (slice(place // 2, None, 2), slice(place % 2, None, 2))
        seen[(*corner, 0)] = frame[(*corner, "rgb".index(colour))]
    return seen
