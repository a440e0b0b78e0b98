"""DAGM 2007: `Train/` and `Test/` with images, and in each a folder `Label` with masks of the defective ones.

The root is one class (`Class1`). Source: the readme of the data set, conferences.mpi-inf.mpg.de/dagm/2007/prizes.html.
"""

from __future__ import annotations

from pathlib import Path

from ..data.dataset import Listing, Split
from ..data.files import folders_in, images_in, masks_by_stem, plain_name

_SPLITS: dict[str, Split] = {"train": "train", "test": "test"}
_MASKS = "label"


class Dagm:
    """One class of DAGM."""

    name = "dagm"
    layout = "Train/ and Test/ with images, and in each Label/ with <name>_label.PNG for the defective ones"

    def detects(self, root: Path) -> bool:
        """Say whether both splits hold images and a folder `Label`."""
        if (root / "labels.csv").exists():
            return False
        return {split for folder, split in _splits(root) if images_in(folder) and _label(folder)} == {"train", "test"}

    def read(self, root: Path) -> list[Listing]:
        """List the images; those without a mask are good."""
        return [listing for folder, split in _splits(root) for listing in _listings(root, folder, split)]


def _splits(root: Path) -> list[tuple[Path, Split]]:
    return [(each, split) for each in folders_in(root) if (split := _SPLITS.get(each.name.casefold())) is not None]


def _label(folder: Path) -> Path | None:
    return next((each for each in folders_in(folder) if each.name.casefold() == _MASKS), None)


def _listings(root: Path, folder: Path, split: Split) -> list[Listing]:
    place = _label(folder)
    masks = {} if place is None else masks_by_stem(place)
    listings = []
    for image in images_in(folder):
        mask = masks.get(plain_name(image.stem))
        path = image.relative_to(root).as_posix()
        label = "good" if mask is None else "defect"
        relative = None if mask is None else mask.relative_to(root).as_posix()
        listings.append(Listing(path=path, label=label, mask=relative, split=split))
    return listings


READER = Dagm()
