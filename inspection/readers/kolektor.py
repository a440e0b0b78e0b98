"""KolektorSDD and KolektorSDD2: each image with its mask beside it; an all-black mask means good.

The second has `train/` and `test/` with `<name>.png` and `<name>_GT.png`; the first one folder per item, `kos01` to
`kos50`, with `Part0.jpg` and `Part0_label.bmp`: its parts share an item, and no split is given.
Sources: D. Tabernik et al., "Segmentation-based deep-learning approach for surface-defect detection", Journal of
Intelligent Manufacturing 31 (2020); J. Bozic, D. Tabernik, D. Skocaj, "Mixed supervision for surface-defect detection",
Computers in Industry 129 (2021); and the readmes of the data sets.
"""

from __future__ import annotations

from pathlib import Path

from ..data.dataset import Listing, Split
from ..data.files import folders_in, images_in, plain_name, unmarked, without_copies

_SPLITS: dict[str, Split] = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_LOOKED_AT = 3


class Kolektor:
    """Folders of images, each image with its mask beside it."""

    name = "kolektor"
    layout = "train/ and test/ (or one folder per item) with <name>.png and <name>_GT.png or <name>_label.bmp"

    def detects(self, root: Path) -> bool:
        """Say whether `train` and `test`, or else the first folders, hold images with their masks beside them."""
        if (root / "labels.csv").exists():
            return False
        folders = folders_in(root)
        splits = [folder for folder in folders if folder.name.casefold() in ("train", "test")]
        looked_at = splits if len(splits) == 2 else folders[:_LOOKED_AT]
        return bool(looked_at) and all(_masks(folder) for folder in looked_at)

    def read(self, root: Path) -> list[Listing]:
        """List the images, copies left beside them aside; their labels are what their masks show."""
        found = [(folder, _SPLITS.get(folder.name.casefold())) for folder in folders_in(root)]
        if any(split for _, split in found):
            found = [(folder, split) for folder, split in found if split]
        return [listing for folder, split in found for listing in _listings(root, folder, split)]


def _masks(folder: Path) -> dict[str, Path]:
    """Give the masks of a folder by the plain stem of their images, which must lie there too."""
    files = images_in(folder)
    stems = {plain_name(path.stem) for path in files}
    marked = {plain_name(bare): path for path in files if (bare := unmarked(path.stem)) != path.stem}
    return {stem: path for stem, path in marked.items() if stem in stems}


def _listings(root: Path, folder: Path, split: Split | None) -> list[Listing]:
    masks = _masks(folder)
    own = set(masks.values())
    listings = []
    for image in without_copies(images_in(folder)):
        if image in own:
            continue
        path, group = image.relative_to(root).as_posix(), None if split else folder.name
        mask = masks.get(plain_name(image.stem))
        if mask is not None:
            mask_path = mask.relative_to(root).as_posix()
            listings.append(Listing(path=path, label=None, mask=mask_path, group=group, split=split))
            continue
        missing = f"{Path(path).with_suffix('')}_GT{image.suffix}"
        problem = f"{path}: its mask {missing} is missing; a good part needs an all-black one"
        listings.append(Listing(path=path, label=None, group=group, split=split, problem=problem))
    return listings


READER = Kolektor()
