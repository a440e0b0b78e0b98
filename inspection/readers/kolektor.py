"""KolektorSDD2: `train/` and `test/` with `<name>.png` and its mask `<name>_GT.png`; an all-zero mask means good.

Source: J. Bozic, D. Tabernik, D. Skocaj, "Mixed supervision for surface-defect detection", Computers in Industry 129
(2021), and the readme of the data set.
"""

from __future__ import annotations

from pathlib import Path

from ..base.errors import DataError
from ..data.dataset import Listing, Split
from ..data.files import images_in, locate
from ..data.images import read_mask

_SPLITS: tuple[Split, ...] = ("train", "val", "test")
_MARK = "_GT"


class Kolektor:
    """Two folders of images, each image with its mask beside it."""

    name = "kolektor"
    layout = "train/ and test/ with <name>.png and <name>_GT.png"

    def detects(self, root: Path) -> bool:
        """Say whether `train` and `test` both hold files called `_GT`."""
        found = [any(_is_mask(path) for path in images_in(root / split)) for split in ("train", "test")]
        return all(found) and not (root / "labels.csv").exists()

    def read(self, root: Path) -> list[Listing]:
        """List the images; opens every mask, since only its content tells good from defective.

        Raises:
            DataError: An image has no mask.
        """
        return [
            _listing(root, image, split)
            for split in _SPLITS
            for image in images_in(root / split)
            if not _is_mask(image)
        ]


def _is_mask(path: Path) -> bool:
    return path.stem.endswith(_MARK)


def _listing(root: Path, image: Path, split: Split) -> Listing:
    path = image.relative_to(root).as_posix()
    mask = image.with_name(f"{image.stem}{_MARK}{image.suffix}").relative_to(root).as_posix()
    file = locate(root, [mask])[mask]
    if not file.is_file():
        msg = f"{path}: its mask {mask} is missing; a good part needs an all-black one"
        raise DataError(msg)
    defective = _marks(file)
    return Listing(path=path, label="defect" if defective else "good", mask=mask if defective else None, split=split)


def _marks(mask: Path) -> bool:
    try:
        return bool(read_mask(mask).any())
    except DataError:
        return True  # stays listed with its mask, so that loading names it or, if asked to, skips it


READER = Kolektor()
