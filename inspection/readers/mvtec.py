"""The tree of MVTec AD: `train/good`, `test/good`, `test/<defect>`, `ground_truth/<defect>/<name>_mask.png`.

Defects may stand under `train` and `val` too, as in the two-class form of VisA (`ground_truth/train/<defect>`), below a
label there may be further folders, such as one a day, and a mask may be a folder of files (MVTec LOCO) or lie in
`test_public/ground_truth` (MVTec AD 2).
Sources: P. Bergmann et al., "MVTec AD", CVPR 2019; "Beyond Dents and Scratches" (LOCO), IJCV 130, 2022; L. Heckler-Kram
et al., "The MVTec AD 2 Dataset", 2025; and the readmes of these data sets.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..base.errors import DataError
from ..data.dataset import Listing, Split
from ..data.files import folders_in, images_below, is_mask_folder, masks_by_stem, plain_name
from ..data.labels import reads_as_good

_FOLDERS: dict[str, Split] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
    "testing": "test", "test_public": "test",
}  # fmt: skip
_OTHERS = frozenset({"images", "label", "labels"})  # the trees of YOLO and DAGM, not of labels


class Mvtec:
    """One folder per split, in it one folder per label; masks in `ground_truth`."""

    name = "mvtec"
    layout = "train/good, test/good, test/<defect>, ground_truth/<defect>/<name>_mask.png"

    def detects(self, root: Path) -> bool:
        """Say whether `train` and `test` hold folders of labels, without a table that would say more."""
        if (root / "labels.csv").exists():
            return False
        given = {split for folder, split in _splits(root) if _labels(folder)}
        return {"train", "test"} <= given

    def read(self, root: Path) -> list[Listing]:
        """List the images with the split of their folder.

        Raises:
            DataError: Two images would share one mask.
        """
        masks = _Masks(root)
        listings = [
            _listing(root, image, label=label, at=folder, split=split, masks=masks)
            for folder, split in _splits(root)
            for label in _labels(folder)
            for image in images_below(label)
        ]
        owner: dict[str, str] = {}
        for listing in listings:
            if listing.mask is not None and owner.setdefault(listing.mask, listing.path) != listing.path:
                msg = (
                    f"{owner[listing.mask]} and {listing.path} share the mask {listing.mask}; "
                    "put masks into ground_truth/train/<defect> and ground_truth/test/<defect>"
                )
                raise DataError(msg)
        return listings


class _Masks:
    """The folders of masks of a tree, each listed once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._beside: dict[Path, list[Path]] = {}
        self._listed: dict[Path, dict[str, Path]] = {}

    def find(self, image: Path, *, label: Path, at: Path) -> Path | None:
        """Give the mask of an image of one label and one split, or None; the more exact place goes first.

        In a folder for all labels the number of a good part may be that of a defective one: its masks are not tried.
        """
        below = image.parent.relative_to(label)
        for folder in self._folders(at):
            shared = [] if reads_as_good(label.name) else [folder]
            for place in (folder / at.name / label.name, folder / label.name, *shared):
                for each in dict.fromkeys((place / below, place)):
                    if each not in self._listed:
                        self._listed[each] = masks_by_stem(each)
                    if found := self._listed[each].get(plain_name(image.stem)):
                        return found
        return None

    def _folders(self, at: Path) -> list[Path]:
        if at not in self._beside:
            beside = [*folders_in(at), *folders_in(self._root)]
            self._beside[at] = [folder for folder in beside if is_mask_folder(folder.name)]
        return self._beside[at]


def _splits(root: Path) -> Iterator[tuple[Path, Split]]:
    """Give the folders of splits, in the order of the table above."""
    known = {folder.name.casefold(): folder for folder in folders_in(root)}
    for name, split in _FOLDERS.items():
        if name in known:
            yield known[name], split


def _labels(split: Path) -> list[Path]:
    return [each for each in folders_in(split) if not is_mask_folder(each.name) and each.name.casefold() not in _OTHERS]


def _listing(root: Path, image: Path, *, label: Path, at: Path, split: Split, masks: _Masks) -> Listing:
    mask = masks.find(image, label=label, at=at)
    return Listing(
        path=image.relative_to(root).as_posix(),
        label=label.name,
        mask=None if mask is None else mask.relative_to(root).as_posix(),
        split=split,
    )


READER = Mvtec()
