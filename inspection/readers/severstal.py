"""Severstal: `train.csv` with run lengths of each defect, and `train_images/`; an image without a row is good.

Sources: kaggle.com/c/severstal-steel-defect-detection/data: ImageId, ClassId, EncodedPixels (or ImageId_ClassId and
EncodedPixels, as first handed out); pairs of start and length, from 1, down the columns.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath

from ..base.errors import DataError
from ..base.table import read_table
from ..data.areas import Area
from ..data.dataset import Listing
from ._documents import beginning
from ._pairing import ImageTree, folder_split

_FILE = "train.csv"


class Severstal:
    """A table of run lengths beside a folder of images."""

    name = "severstal"
    layout = "train.csv with the columns ImageId,ClassId,EncodedPixels and train_images/"

    def detects(self, root: Path) -> bool:
        """Say whether the table is there."""
        return not (root / "labels.csv").exists() and "EncodedPixels" in beginning(root / _FILE)

    def read(self, root: Path) -> list[Listing]:
        """List the images of the table and those that lie beside them, which are good.

        Raises:
            DataError: The table is missing or has a wrong column.
        """
        tree, rows = ImageTree(root), _rows(root)
        of_image: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
        for image, kind, runs, line in rows:
            of_image[image].append((kind, runs, line))
        listings, folders = [], set()
        for image, marks in of_image.items():
            path = tree.find(image)
            listings.append(_listing(image, path, [each for each in marks if each[1]]))
            if path is not None:
                folders.add(PurePosixPath(path).parent)
        known = {listing.path for listing in listings}
        return listings + [
            Listing(path=path, label="good", split=None)
            for path in tree.paths
            if path not in known and PurePosixPath(path).parent in folders
        ]


def _rows(root: Path) -> list[tuple[str, str, str, int]]:
    if "ImageId_ClassId" in beginning(root / _FILE):
        rows = read_table(root / _FILE, required=("ImageId_ClassId", "EncodedPixels"))
        named = [(*row.values["ImageId_ClassId"].rpartition("_")[::2], row) for row in rows]
        return [(image, kind, row.values["EncodedPixels"], row.line) for image, kind, row in named]
    rows = read_table(root / _FILE, required=("ImageId", "ClassId", "EncodedPixels"))
    return [(row.values["ImageId"], row.values["ClassId"], row.values["EncodedPixels"], row.line) for row in rows]


def _listing(image: str, path: str | None, marks: list[tuple[str, str, int]]) -> Listing:
    problem, areas = None, []
    if path is None:
        problem = f"{_FILE} names {image!r}, but no image of this name lies below the data folder"
    try:
        areas = [_area(*each) for each in marks]
    except DataError as error:
        problem = problem or str(error)
    return Listing(
        path=path or f"{_FILE}#{image.replace('/', '_')}",
        label=None if areas or problem else "good",
        split=folder_split(path or ""),
        areas=tuple(areas),
        problem=problem,
    )


def _area(kind: str, pairs: str, line: int) -> Area:
    """Turn pairs of start and length, from 1, into lengths of unmarked and marked pixels, to the last marked one."""
    values = pairs.split()
    runs, end = [], 0
    valid = len(values) % 2 == 0 and all(value.isdigit() for value in values)
    for start, length in zip(values[::2], values[1::2], strict=False) if valid else ():
        runs += [int(start) - 1 - end, int(length)]
        end += sum(runs[-2:])
    if not valid or min(runs, default=-1) < 0:
        msg = f"{_FILE} line {line}: wanted pairs of start and length in order, got {pairs[:60]!r}"
        raise DataError(msg)
    return Area(kind=f"class_{kind}", shape="runs", runs=tuple(runs))


READER = Severstal()
