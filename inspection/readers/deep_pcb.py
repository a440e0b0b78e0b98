"""DeepPCB: photographs of boards with boxes in text files, and the good template of each.

`group00041/00041/00041000_test.jpg` is a photograph, `00041000_temp.jpg` beside it the template, which is good, and
`group00041/00041_not/00041000.txt` has `left top right bottom kind` in each line. `trainval.txt` and `test.txt` are the
published split, which shares board designs. Source: the readme of github.com/tangsanli5201/DeepPCB.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from ..base.errors import DataError
from ..data.areas import Area, box_area
from ..data.dataset import Listing, Split
from ..data.files import entries_of, folders_in
from ._documents import numbers, sides, text_of

_KINDS = ("open", "short", "mousebite", "spur", "copper", "pinhole")
_MOST_BYTES = 1 << 20
_LISTS: dict[str, Split] = {"trainval.txt": "train", "test.txt": "test"}
_MOST_LIST_BYTES = 16 << 20


class DeepPcb:
    """The folder `PCBData`."""

    name = "deep_pcb"
    layout = (
        "PCBData: group<id>/<id>/<name>_test.jpg and _temp.jpg, group<id>/<id>_not/<name>.txt, trainval.txt, test.txt"
    )

    def detects(self, root: Path) -> bool:
        """Say whether a folder of text files lies beside one of photographs in a group."""
        return not (root / "labels.csv").exists() and bool(_places(root))

    def read(self, root: Path) -> list[Listing]:
        """List every photograph that a text file annotates, and its template; both are one part.

        Raises:
            DataError: There is no group.
        """
        places = _places(root)
        if not places:
            msg = f"{root}: wanted {self.layout}, got no such folder"
            raise DataError(msg)
        splits = _splits(root)
        texts = [file for place in places for file in sorted(entries_of(place)) if file.suffix.lower() == ".txt"]
        return [each for text in texts for each in _listings(root, text, splits)]


def _places(root: Path) -> list[Path]:
    """Give the folders of text files: `<id>_not`, beside `<id>`."""
    return [
        folder
        for group in folders_in(root)
        for folder in folders_in(group)
        if re.fullmatch(r"\w+_not", folder.name) and folder.with_name(folder.name.removesuffix("_not")).is_dir()
    ]


def _listings(root: Path, text: Path, splits: dict[str, Split]) -> list[Listing]:
    folder = text.parent.with_name(text.parent.name.removesuffix("_not"))
    photograph, template = (folder / f"{text.stem}_{which}.jpg" for which in ("test", "temp"))
    areas, problem = [], None
    try:
        areas = _areas(text)
    except DataError as error:
        problem = str(error)
    split = splits.get(text.stem)
    listings = [
        Listing(
            path=photograph.relative_to(root).as_posix(),
            label=None if areas or problem else "good",
            split=split,
            group=text.stem,
            areas=tuple(areas),
            problem=problem,
        )
    ]
    if template.is_file():
        path = template.relative_to(root).as_posix()
        listings.append(Listing(path=path, label="good", split=split, group=text.stem))
    return listings


def _areas(text: Path) -> list[Area]:
    areas = []
    for number, line in enumerate(text_of(text, most_bytes=_MOST_BYTES).splitlines(), 1):
        if not line.strip():
            continue
        what = f"{text.name} line {number}"
        values = numbers(re.split(r"[\s,]+", line.strip()), what=what)
        if len(values) != 5 or values[4] not in range(1, len(_KINDS) + 1):
            msg = f"{what}: wanted left top right bottom and a kind from 1 to {len(_KINDS)}, got {line.strip()[:60]!r}"
            raise DataError(msg)
        areas.append(box_area(_KINDS[int(values[4]) - 1], sides(*values[:4], what=what)))
    return areas


def _splits(root: Path) -> dict[str, Split]:
    """Read the published split, an image and its text file in each line."""
    splits: dict[str, Split] = {}
    for name, split in _LISTS.items():
        if (root / name).is_file():
            lines = text_of(root / name, most_bytes=_MOST_LIST_BYTES).splitlines()
            splits |= dict.fromkeys((PurePosixPath(line.split()[0]).stem for line in lines if line.strip()), split)
    return splits


READER = DeepPcb()
