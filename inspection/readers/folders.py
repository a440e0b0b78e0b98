"""One folder a class: `OK/` and `NG/`, or `good/`, `scratch/`, `pit/`; below a folder for each split, or without.

With masks, as in MVTec AD, in `ground_truth/<defect>/`. Trees that have both `train` and `test` are read as `mvtec`.
"""

from __future__ import annotations

from pathlib import Path

from ..base.errors import DataError
from ..data.dataset import Listing
from ..data.files import entries_of, folders_in, images_below, images_in, is_mask_folder, masks_by_stem, plain_name
from ..data.labels import reads_as_good
from ._pairing import folder_split, split_of

_NO_LABELS = frozenset({"images", "labels", "data", "imgs", "img", "jpegimages"})
_OF_TOOLS = frozenset({".json", ".xml", ".yaml", ".yml", ".csv"})


class Folders:
    """Folders that are labels."""

    name = "folders"
    layout = "a folder for each class, such as OK/ and NG/ (name the good ones in data.good), below splits or not"

    def detects(self, root: Path) -> bool:
        """Say whether there are two or more folders of images, one of them called as good parts are."""
        labels = _labels(root)
        names = {folder.name for folder in labels}
        splits = {split_of(f"{folder.relative_to(root).as_posix()}/-") for folder in labels}
        if {"train", "test"} <= splits or len(names) < 2 or not any(reads_as_good(name) for name in names):
            return False
        return not any(_annotated(folder) for folder in (root, *folders_in(root)))

    def read(self, root: Path) -> list[Listing]:
        """List the images by their folders.

        Raises:
            DataError: There are no such folders.
        """
        labels = _labels(root)
        if not labels:
            msg = f"{root}: wanted {self.layout}, got no folder of images"
            raise DataError(msg)
        masks = [folder for folder in folders_in(root) if is_mask_folder(folder.name)]
        return [listing for label in labels for listing in _listings(root, label, masks)]


def _labels(root: Path) -> list[Path]:
    """Give the folders that are labels: those below folders of splits, or else those at the root."""
    own = [folder for folder in folders_in(root) if not is_mask_folder(folder.name)]
    splits = [folder for folder in own if split_of(f"{folder.name}/-") is not None]
    found = [each for split in splits for each in folders_in(split)] if splits else own
    return [
        each
        for each in found
        if not is_mask_folder(each.name) and each.name.casefold() not in _NO_LABELS and images_below(each)
    ]


def _annotated(folder: Path) -> bool:
    return any(each.suffix.lower() in _OF_TOOLS for each in entries_of(folder))


def _listings(root: Path, label: Path, masks: list[Path]) -> list[Listing]:
    found = {} if reads_as_good(label.name) else _masks(label, masks)
    listings = []
    for image in images_below(label):
        path = image.relative_to(root).as_posix()
        mask = found.get(plain_name(image.stem))
        relative = None if mask is None else mask.relative_to(root).as_posix()
        listings.append(Listing(path=path, label=label.name, mask=relative, split=folder_split(path)))
    return listings


def _masks(label: Path, masks: list[Path]) -> dict[str, Path]:
    places = [place / label.name for place in masks]
    return {stem: path for place in places if images_in(place) for stem, path in masks_by_stem(place).items()}


READER = Folders()
