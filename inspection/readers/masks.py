"""Masks of values or colours beside the images: `images/` and `masks/`; Pascal VOC's and Cityscapes' folders too.

`JPEGImages/` with `SegmentationClass/`, `leftImg8bit/` with `gtFine/` (of which the `_labelIds` files are read), and
`images/` with `masks/`, `labels/` or `annotations/`; splits may be folders above or below. What the values are called
stands in `labelmap.txt` (CVAT), or in data.mask.kinds. A mask that marks nothing means a good part.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from ..base.errors import DataError
from ..data.dataset import Listing, Split
from ..data.entries import COLOUR
from ..data.files import folders_in, images_below, plain_name, unmarked
from ._documents import text_of
from ._pairing import folder_split, split_of

_IMAGES = frozenset({"image", "images", "img", "imgs", "jpegimages", "leftimg8bit", "rgb"})
_MASKS = frozenset({
    "annotation", "annotations", "gt", "gtcoarse", "gtfine", "label", "labels", "mask", "masks", "seg", "segmentation",
    "segmentationclass",
})  # fmt: skip
_CITYSCAPES = re.compile(r"_(leftimg8bit|gt(?:fine|coarse)_labelids)$")
_NO_CLASSES = re.compile(r"_gt(?:fine|coarse)_(color|instanceids|labeltrainids)$")
_NAMES = "labelmap.txt"
_BACKGROUND = "background"


class Masks:
    """Folders of images beside folders of masks."""

    name = "masks"
    layout = "images/ and masks/ of the same names (or JPEGImages/ and SegmentationClass/, leftImg8bit/ and gtFine/)"

    def detects(self, root: Path) -> bool:
        """Say whether a folder of images and one of masks lie side by side."""
        return not (root / "labels.csv").exists() and bool(_pairs(root))

    def read(self, root: Path) -> list[Listing]:
        """List the images; their labels are what their masks show, and without a mask they are unlabelled.

        Raises:
            DataError: There are no such folders, or `labelmap.txt` cannot be read.
        """
        pairs, kinds = _pairs(root), _kinds(root)
        if not pairs:
            msg = f"{root}: wanted {self.layout}, got no such folders"
            raise DataError(msg)
        splits = _splits(root)
        return [each for images, masks in pairs for each in _listings(root, images, masks, kinds, splits)]


def _pairs(root: Path) -> list[tuple[Path, Path]]:
    places = [root, *(each for each in folders_in(root) if split_of(f"{each.name}/-") is not None)]
    pairs = []
    for place in places:
        folders = folders_in(place)
        images = next((each for each in folders if each.name.casefold() in _IMAGES), None)
        masks = next((each for each in folders if each.name.casefold() in _MASKS and images_below(each)), None)
        if images is not None and masks is not None:
            pairs.append((images, masks))
    return pairs


def _listings(
    root: Path, images: Path, masks: Path, kinds: tuple[tuple[int, str], ...], splits: dict[str, Split]
) -> list[Listing]:
    found = {_key(masks, file): file for file in images_below(masks) if not _NO_CLASSES.search(plain_name(file.stem))}
    listings = []
    for image in images_below(images):
        path = image.relative_to(root).as_posix()
        mask = found.get(_key(images, image))
        listings.append(
            Listing(
                path=path,
                label=None,
                mask=None if mask is None else mask.relative_to(root).as_posix(),
                split=splits.get(plain_name(image.stem)) or folder_split(path),
                mask_kinds=kinds,
            )
        )
    return listings


def _key(folder: Path, file: Path) -> tuple[str, str]:
    stem = _CITYSCAPES.sub("", plain_name(file.stem))
    return plain_name(file.relative_to(folder).parent.as_posix()), unmarked(stem)


def _kinds(root: Path) -> tuple[tuple[int, str], ...]:
    """Read `labelmap.txt`: `name:red,green,blue::` in each line; a value is a line's number or its colour."""
    if not (root / _NAMES).is_file():
        return ()
    kinds: list[tuple[int, str]] = []
    lines = [line for line in text_of(root / _NAMES).splitlines() if line.strip() and not line.startswith("#")]
    for number, line in enumerate(lines):
        kind, _, rest = line.partition(":")
        colour = re.fullmatch(r"(\d{1,3}),(\d{1,3}),(\d{1,3})", rest.partition(":")[0])
        if not kind.strip() or colour is None:
            msg = f"{_NAMES}: wanted lines such as crack:255,0,0::, got {line[:60]!r}"
            raise DataError(msg)
        red, green, blue = map(int, colour.groups())
        value = red if red == green == blue else COLOUR + (red << 16) + (green << 8) + blue
        if kind.strip().casefold() != _BACKGROUND and value:
            kinds += [(number, kind.strip()), (value, kind.strip())]
    return tuple(kinds)


def _splits(root: Path) -> dict[str, Split]:
    splits: dict[str, Split] = {}
    for file in sorted((root / "ImageSets" / "Segmentation").glob("*.txt")):
        if file.stem in ("train", "val", "test") and (split := split_of(file.name)) is not None:
            names = [PurePosixPath(line.strip()).name for line in text_of(file).splitlines() if line.strip()]
            splits |= dict.fromkeys(map(plain_name, names), split)
    return splits


READER = Masks()
