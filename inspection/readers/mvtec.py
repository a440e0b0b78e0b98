"""The tree of MVTec AD: `train/good`, `test/good`, `test/<defect>`, `ground_truth/<defect>/<name>_mask.png`.

Defects may stand under `train` and `val` too, as in the two-class form of VisA (`ground_truth/train/<defect>`).
Source: P. Bergmann et al., "MVTec AD", CVPR 2019, and the readme of the data set.
"""

from __future__ import annotations

from pathlib import Path

from ..base.errors import DataError
from ..data.dataset import Listing, Split
from ..data.files import folders_in, images_in, named_in

_FOLDERS: dict[str, Split] = {"train": "train", "val": "val", "validation": "val", "test": "test"}


class Mvtec:
    """One folder per split, in it one folder per label; masks in `ground_truth`."""

    name = "mvtec"
    layout = "train/good, test/good, test/<defect>, ground_truth/<defect>/<name>_mask.png"

    def detects(self, root: Path) -> bool:
        """Say whether `train/good` and `test` are there without a table that would say more."""
        return (root / "train" / "good").is_dir() and (root / "test").is_dir() and not (root / "labels.csv").exists()

    def read(self, root: Path) -> list[Listing]:
        """List the images with the split of their folder.

        Raises:
            DataError: Two images would share one mask.
        """
        listings = [
            _listing(root, image, label=folder.name, at=at)
            for at in _FOLDERS
            for folder in folders_in(root / at)
            for image in images_in(folder)
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


def _listing(root: Path, image: Path, *, label: str, at: str) -> Listing:
    mask = None if label == "good" else _mask(root / "ground_truth", image, label=label, at=at)
    return Listing(
        path=image.relative_to(root).as_posix(),
        label=label,
        mask=None if mask is None else mask.relative_to(root).as_posix(),
        split=_FOLDERS[at],
    )


def _mask(masks: Path, image: Path, *, label: str, at: str) -> Path | None:
    places = [(folder, stem) for folder in (masks / at / label, masks / label) for stem in _stems(image)]
    return next((found for folder, stem in places if (found := named_in(folder, stem)) is not None), None)


def _stems(image: Path) -> tuple[str, str]:
    return f"{image.stem}_mask", image.stem


READER = Mvtec()
