"""Magnetic tiles: a folder for each kind, each photograph as JPEG with its mask of the same name as PNG beside it.

`MT_Blowhole/Imgs/exp1_num_4727.jpg` and `exp1_num_4727.png`; the masks of `MT_Free` are black. Folders are labels,
those called `Imgs` or the like aside. Source: the readme of github.com/abin24/Magnetic-tile-defect-datasets.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..base.errors import DataError
from ..data.dataset import Listing
from ..data.files import entries_of, folders_in, plain_name
from ..data.labels import reads_as_good

_IMAGES, _MASKS = frozenset({".jpg", ".jpeg"}), frozenset({".png", ".bmp"})
_NO_LABELS = frozenset({"imgs", "images", "img", "data"})
_MOST_LABELS = 64
_FREE = re.compile(r"(?:^|[_ -])(?:free|fault-?free)$", re.IGNORECASE)


class MagneticTile:
    """Folders that are kinds, of photographs with their masks beside them."""

    name = "magnetic_tile"
    layout = "a folder for each kind (MT_Crack/Imgs/) of <name>.jpg, each with its mask <name>.png beside it"

    def detects(self, root: Path) -> bool:
        """Say whether in two folders or more each photograph has a file of its name and another suffix beside it."""
        return not (root / "labels.csv").exists() and len(_places(root)) >= 2

    def read(self, root: Path) -> list[Listing]:
        """List the photographs by their folders; one without a mask is as its folder says.

        Raises:
            DataError: There are no such folders.
        """
        places = _places(root)
        if not places:
            msg = f"{root}: wanted {self.layout}, got no such folder"
            raise DataError(msg)
        return [each for place in places for each in _listings(root, place)]


def _places(root: Path) -> list[Path]:
    """Give the folders of photographs and masks, those of each label at most one level down."""
    found = []
    for folder in folders_in(root)[:_MOST_LABELS]:
        inner = [each for each in folders_in(folder) if each.name.casefold() in _NO_LABELS]
        found += [each for each in (folder, *inner) if _masks(each)]
    return found


def _photographs(folder: Path) -> list[Path]:
    return sorted(each for each in entries_of(folder) if each.suffix.lower() in _IMAGES)


def _masks(folder: Path) -> dict[str, Path]:
    """Give the masks by plain stem; none where most photographs have none."""
    stems = {plain_name(each.stem) for each in _photographs(folder)}
    if not stems:
        return {}
    files = [each for each in entries_of(folder) if each.suffix.lower() in _MASKS]
    masks = {stem: each for each in files if (stem := plain_name(each.stem)) in stems}
    return masks if 2 * len(masks) > len(stems) else {}


def _listings(root: Path, place: Path) -> list[Listing]:
    masks = _masks(place)
    folder = place.parent if place.name.casefold() in _NO_LABELS and place.parent != root else place
    label = "good" if reads_as_good(folder.name) or _FREE.search(folder.name) else folder.name
    listings = []
    for image in _photographs(place):
        mask = masks.get(plain_name(image.stem))
        relative = None if mask is None else mask.relative_to(root).as_posix()
        listings.append(Listing(path=image.relative_to(root).as_posix(), label=label, mask=relative))
    return listings


READER = MagneticTile()
