"""What is known of the images of a line: facts only, no files are opened here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..base.storage import digest_of_json
from ..references.pairs import VERSION
from .areas import Area
from .camera import WHOLE_FRAME, CameraSettings

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

Rectangle = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One image as a reader found it, before its file was opened.

    Attributes:
        path: Image file, relative to the data set's root, POSIX separators.
        label: `good` or the kind of defect; None: as areas or mask show, and unlabelled where there is neither.
        mask: Mask file, or folder of files that are one mask together, relative to the root; None for good parts and
            where only image labels are known.
        group: What must not be torn apart by a split (one physical part); None: the path without its suffix.
        split: None where the data set does not say.
        areas: Defects as boxes, outlines or runs of pixels; instead of a mask.
        drawn_on: Width and height that the areas' coordinates count to, such as (1, 1) where they are shares of the
            image; None: pixels of the image file.
        mask_kinds: Kinds of defect by the value of the mask that marks them, as `MaskRule.kinds`.
        problem: Why what is said of the image cannot be used, as a sentence that names the file and the way out.
        reference: Image of a good part of the same product, relative to the root; None where frames are not compared.
    """

    path: str
    label: str | None
    mask: str | None = None
    group: str | None = None
    split: Split | None = None
    areas: tuple[Area, ...] = ()
    drawn_on: tuple[float, float] | None = None
    mask_kinds: tuple[tuple[int, str], ...] = ()
    problem: str | None = None
    reference: str | None = None

    @property
    def defective(self) -> bool:
        """Whether the part is to be rejected."""
        return self.label != "good"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One usable image: its file was opened once, its digest and size are known, its split is settled.

    Attributes:
        path: Image file, relative to the root.
        label: `good` or the kind of defect; of several kinds, the one that fewest images of the data set have.
        defective: Whether the part is to be rejected.
        mask: Mask file relative to the root, of the image's size; None where there are areas, for good parts and
            image-level labels.
        group: The physical part; never spans two splits.
        split: `train`, `val` or `test`.
        digest: `sha256:<hex>` of the image file.
        height: Pixels that are inspected: of the camera's region, where there is one.
        width: Likewise.
        mask_digest: `sha256:<hex>` of the mask file; None where there is none.
        areas: Its defects in pixels of what is inspected, clipped to it, where they are boxes, outlines or runs.
        kinds: Every kind of defect that it shows, sorted; `(label,)` unless given, none for a good part.
        reference: Image of a good part of the same product, relative to the root, of the same size; None where frames
            are not compared.
        reference_digest: `sha256:<hex>` of that file.
        good_area: Of a good sample from a photograph with defects: the rectangle without any that it is made of, see
            `good_areas`; None: the whole image.
    """

    path: str
    label: str
    defective: bool
    mask: str | None
    group: str
    split: Split
    digest: str
    height: int
    width: int
    mask_digest: str | None = None
    areas: tuple[Area, ...] = ()
    kinds: tuple[str, ...] = ()
    reference: str | None = None
    reference_digest: str | None = None
    good_area: Rectangle | None = None

    def __post_init__(self) -> None:
        """Take the kinds from areas or label."""
        if self.defective and not self.kinds:
            object.__setattr__(self, "kinds", tuple(sorted({area.kind for area in self.areas})) or (self.label,))

    @property
    def marked(self) -> bool:
        """Whether somebody said where its defects are, by a mask or by areas."""
        return self.mask is not None or bool(self.areas)

    @property
    def coarse(self) -> bool:
        """Whether a box says where: its corners look good and count as defective."""
        return any(area.shape == "box" for area in self.areas)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskRule:
    """Which values of a data set's masks mark a defect; values are as `entries.plane_of` gives them.

    Attributes:
        soft: Cut at `above` instead of comparing values with `background` and `ignore`.
        above: Of soft masks: larger values mark a defect, of 16-bit files times 257.
        background: The value that marks nothing.
        ignore: Values that say nothing about the part, and mark nothing.
        inverted: Of soft masks: the others mark a defect.
        kinds: Kinds of defect by the value that marks them, sorted by value; empty: an image's label is its kind.
    """

    soft: bool = False
    above: int = 0
    background: int = 0
    ignore: tuple[int, ...] = ()
    inverted: bool = False
    kinds: tuple[tuple[int, str], ...] = ()

    @property
    def as_json(self) -> dict[str, Any]:
        """What decides a result, for digests."""
        return {name: value for name, value in asdict(self).items() if name != "kinds" or value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """All samples of a line, in the order of their paths.

    Attributes:
        name: The root folder's name, or `synthetic`.
        root: Absolute folder that every path is relative to.
        channels: 1 where every image is grey, else 3; of mosaics 3, which is what the network is shown.
        bit_depth: Bits per channel that the frames use (8 to 16); frames are reduced to 8 on reading.
        samples: Sorted by path.
        masks: How masks are read.
        window: Levels of 16-bit files that become black and white; None: as `bit_depth` says.
        camera: What took them; samples are as large as its region, where it has one.
        ignore: What is never judged of every sample, as run lengths (`runs.runs_of`); None: nothing.
        notes: What a user should know: near-duplicates grouped, files skipped, a split made; plain sentences.
        cautions: Those of the notes that whoever relies on a result must bear in mind: files left out or left over, the
            same image under two labels, something other than the part that tells the label.
        kinds: Every kind of defect that a sample shows, sorted: the order of `kinds.kind_masks`.
    """

    name: str
    root: Path
    channels: int
    bit_depth: int
    samples: tuple[Sample, ...]
    masks: MaskRule = MaskRule()
    window: tuple[int, int] | None = None
    camera: CameraSettings = WHOLE_FRAME
    ignore: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    kinds: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Collect the kinds once: they are asked for with every view."""
        object.__setattr__(self, "kinds", tuple(sorted({kind for sample in self.samples for kind in sample.kinds})))

    def of(self, split: Split) -> tuple[Sample, ...]:
        """Give one split's samples, in the order of their paths."""
        return tuple(sample for sample in self.samples if sample.split == split)

    @property
    def file_channels(self) -> int:
        """Channels of frames as they are read: one where the camera gives mosaics, which become RGB later."""
        return self.channels if self.camera.bayer is None else 1

    @property
    def referenced(self) -> bool:
        """Whether frames are compared with references: then every sample has one."""
        return bool(self.samples) and all(sample.reference is not None for sample in self.samples)

    @property
    def digest(self) -> str:
        """`sha256:<hex>` over what decides a result: content digests, labels, masks, references, groups and splits."""
        rows = [
            [s.path, s.digest, s.label, s.mask, s.mask_digest, s.group, s.split]
            + [area.as_json for area in s.areas]
            + ([] if s.reference_digest is None else [s.reference_digest, VERSION])
            for s in self.samples
        ]
        reading = [] if (self.masks, self.window) == (MaskRule(), None) else [self.masks.as_json, self.window]
        region: list[Any] = [] if self.camera.region is None else [self.camera.region.model_dump()]
        region += [] if self.ignore is None else [list(self.ignore)]
        region += [] if self.camera.bayer is None else [self.camera.bayer]
        return digest_of_json([self.channels, self.bit_depth, rows, *reading, *region])


def evenly(samples: Sequence[Sample], count: int) -> tuple[Sample, ...]:
    """Pick at most `count` samples, evenly spread over their order."""
    places = np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(int) if samples else ()
    return tuple(samples[int(place)] for place in places)
