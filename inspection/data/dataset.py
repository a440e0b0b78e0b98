"""What is known of the images of a line: facts only, no files are opened here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ..base.storage import digest_of_json

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One image as a reader found it, before its file was opened.

    Attributes:
        path: Image file, relative to the data set's root, POSIX separators.
        label: `good` or the kind of defect; None: `good` or `defect`, as the mask shows.
        mask: Mask file, or folder of files that are one mask together, relative to the root; None for good parts and
            where only image labels are known.
        group: What must not be torn apart by a split (one physical part); None: the path without its suffix.
        split: None where the data set does not say.
    """

    path: str
    label: str | None
    mask: str | None = None
    group: str | None = None
    split: Split | None = None

    @property
    def defective(self) -> bool:
        """Whether the part is to be rejected."""
        return self.label != "good"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One usable image: its file was opened once, its digest and size are known, its split is settled.

    Attributes:
        path: Image file, relative to the root.
        label: `good` or the kind of defect.
        defective: Whether the part is to be rejected.
        mask: Mask file relative to the root, of the image's size; None for good parts and image-level labels.
        group: The physical part; never spans two splits.
        split: `train`, `val` or `test`.
        digest: `sha256:<hex>` of the image file.
        height: Pixels.
        width: Pixels.
        mask_digest: `sha256:<hex>` of the mask file; None where there is none.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskRule:
    """Which values of a data set's masks mark a defect; values are as `entries.plane_of` gives them.

    Attributes:
        soft: Cut at `above` instead of comparing values with `background` and `ignore`.
        above: Of soft masks: larger values mark a defect, of 16-bit files times 257.
        background: The value that marks nothing.
        ignore: Values that say nothing about the part, and mark nothing.
        inverted: Of soft masks: the others mark a defect.
    """

    soft: bool = False
    above: int = 0
    background: int = 0
    ignore: tuple[int, ...] = ()
    inverted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """All samples of a line, in the order of their paths.

    Attributes:
        name: The root folder's name, or `synthetic`.
        root: Absolute folder that every path is relative to.
        channels: 1 where every image is grey, else 3.
        bit_depth: Bits per channel that the frames use (8 to 16); frames are reduced to 8 on reading.
        samples: Sorted by path.
        masks: How masks are read.
        window: Levels of 16-bit files that become black and white; None: as `bit_depth` says.
        notes: What a user should know: near-duplicates grouped, files skipped, a split made; plain sentences.
        cautions: Those of the notes that whoever relies on a result must bear in mind: files left out or left over, the
            same image under two labels, something other than the part that tells the label.
    """

    name: str
    root: Path
    channels: int
    bit_depth: int
    samples: tuple[Sample, ...]
    masks: MaskRule = MaskRule()
    window: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    def of(self, split: Split) -> tuple[Sample, ...]:
        """Give one split's samples, in the order of their paths."""
        return tuple(sample for sample in self.samples if sample.split == split)

    @property
    def digest(self) -> str:
        """`sha256:<hex>` over what decides a result: content digests, labels, masks, groups and splits."""
        rows = [[s.path, s.digest, s.label, s.mask, s.mask_digest, s.group, s.split] for s in self.samples]
        reading = [] if (self.masks, self.window) == (MaskRule(), None) else [asdict(self.masks), self.window]
        return digest_of_json([self.channels, self.bit_depth, rows, *reading])


def evenly(samples: Sequence[Sample], count: int) -> tuple[Sample, ...]:
    """Pick at most `count` samples, evenly spread over their order."""
    places = np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(int) if samples else ()
    return tuple(samples[int(place)] for place in places)
