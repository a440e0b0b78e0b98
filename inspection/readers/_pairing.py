"""Which image an annotation belongs to, and which split a path names."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from filecmp import cmp
from itertools import takewhile
from pathlib import Path, PurePosixPath

from ..base.errors import DataError
from ..data.areas import Area
from ..data.dataset import Listing, Split
from ..data.files import entries_of, folders_in, images_below, plain_name
from ._documents import beginning

_SPLIT_NAMES: dict[str, Split] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_MASK_FOLDERS = frozenset({"ground_truth", "gt", "mask", "masks", "segmentationclass", "segmentationobject"})


class ImageTree:
    """The images below a folder, listed once; found by the name that an annotation writes, on whatever machine.

    Args:
        root: Of the data set; folders of masks in it are passed over.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        every = [file.relative_to(root).as_posix() for file in images_below(root)]
        self.paths = [path for path in every if not _MASK_FOLDERS & set(path.casefold().split("/")[:-1])]
        self._known = frozenset(self.paths)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for path in self.paths:
            self._by_stem[plain_name(PurePosixPath(path).stem)].append(path)

    def __contains__(self, path: str) -> bool:
        """Whether an image lies there."""
        return path in self._known

    def holds(self, written: str) -> bool:
        """Whether at least one image is called as the last part of a path."""
        name = plain_name(re.split(r"[\\/]+", written)[-1])
        return any(plain_name(path.rpartition("/")[2]) == name for path in self._by_stem[PurePosixPath(name).stem])

    def copies_of(self, paths: Iterable[str]) -> frozenset[str]:
        """Give the images that are called as one of these, lie elsewhere and hold the same bytes."""
        own = set(paths)
        named: dict[str, list[str]] = defaultdict(list)
        for path in own & self._known:
            named[PurePosixPath(path).name].append(path)
        return frozenset(
            path
            for path in self.paths
            if path not in own and any(self._alike(path, each) for each in named.get(PurePosixPath(path).name, ()))
        )

    def _alike(self, one: str, other: str) -> bool:
        try:
            return cmp(self._root / one, self._root / other, shallow=False)
        except OSError:
            return False  # whoever opens the images says which one cannot be read

    def find(self, written: str, *, beside: str = "", any_suffix: bool = False) -> str | None:
        """Give the image that an annotation file means; of copies of one, the first.

        Args:
            written: Path or name as the file writes it: relative, absolute, or of Windows; only its end counts.
            beside: Folder of the annotation file, relative to the root; of several images the one closest to it.
            any_suffix: Whether only the name without its suffix counts.

        Raises:
            DataError: Several images fit equally well.
        """
        wanted = [part for part in re.split(r"[\\/]+", written) if part not in ("", ".", "..")]
        if not wanted:
            return None
        name = plain_name(wanted[-1])
        stem = plain_name(PurePosixPath(wanted[-1]).stem)
        fitting = self._by_stem.get(stem, [])
        if not any_suffix:
            fitting = [path for path in fitting if plain_name(PurePosixPath(path).name) == name]
        if len(fitting) < 2:
            return fitting[0] if fitting else None
        ranked = sorted(fitting, key=lambda path: _closeness(path, wanted, beside), reverse=True)  # paths in order
        first, second = ranked[:2]
        if _closeness(first, wanted, beside) == _closeness(second, wanted, beside) and not self._alike(first, second):
            msg = (
                f"{written!r} may be {first} or {second}: two images of one name; rename one, or write the folder "
                "into the annotation"
            )
            raise DataError(msg)
        return first


def split_of(path: str) -> Split | None:
    """Read the split that a folder of a path, or a word of its file's name, names.

    >>> split_of("valid/labels/a.txt"), split_of("annotations/instances_train2017.json"), split_of("IMAGES/a.jpg")
    ('val', 'train', None)
    """
    *folders, name = path.split("/")
    for part in folders:
        if (split := _SPLIT_NAMES.get(re.sub(r"[\d_ -]+$", "", part.casefold()))) is not None:
            return split
    words = re.split(r"[^a-z]+", PurePosixPath(name).stem.casefold())
    return next((_SPLIT_NAMES[word] for word in words if word in _SPLIT_NAMES), None)


def folder_split(path: str) -> Split | None:
    """Read the split that a folder of an image's path names; the name of the file itself says nothing.

    >>> folder_split("images/test/train_01.png")
    'test'
    """
    return split_of(f"{PurePosixPath(path).parent.as_posix()}/-")


def _closeness(path: str, wanted: list[str], beside: str) -> tuple[int, int, int]:
    """How many folders of an image's path agree with those written, from the end; and with the annotation's place.

    The latter from the root down, and from the end: `images/pit/a.jpg` belongs to `annotations/pit/a.xml`.
    """
    folders, place = path.split("/")[:-1], beside.split("/") if beside else []
    written = _agreeing(map(plain_name, folders[::-1]), map(plain_name, wanted[-2::-1]))
    return written, _agreeing(folders, place), _agreeing(folders[::-1], place[::-1])


def _agreeing(one: Iterable[str], other: Iterable[str]) -> int:
    """Count how many of both are the same before the first that differ."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What one annotation file, or one record of it, says of one image.

    Attributes:
        written: The image's path as the file writes it; None: it is called as the file.
        any_suffix: Whether `written` says nothing of the image's suffix.
        areas: Its defects.
        drawn_on: As of `Listing`.
        label: Of the whole image, where no area says more.
    """

    written: str | None = None
    any_suffix: bool = False
    areas: tuple[Area, ...] = ()
    drawn_on: tuple[float, float] | None = None
    label: str = "good"


Record = Marked | tuple[str, str]
"""What a file says of an image, or the image's written path and why its record cannot be used."""


def pair_files(
    root: Path, files: Sequence[Path], tree: ImageTree, read: Callable[[Path], Marked], splits: Mapping[str, Split]
) -> list[Listing]:
    """List the images of annotation files, one each, and the images beside them that have none.

    Args:
        root: Of the data set.
        files: Annotation files below it.
        tree: The images.
        read: Reads one file; what it raises becomes the problem of its image.
        splits: By the plain stem of an image, where a list says so.
    """
    listings = []
    for file in files:
        at = file.relative_to(root).as_posix()
        problem, marked = None, Marked()
        try:
            marked = read(file)
        except DataError as error:
            problem = str(error)
        listings.append(_listing(at, marked, tree, problem))
    return with_unlabelled(_once(listings), tree, splits)


def files_beginning(root: Path, suffix: str, begins: Callable[[str], bool]) -> list[Path]:
    """Give the annotation files at the root and in its folders, by suffix and by how they begin."""
    return [
        file
        for folder in (root, *folders_in(root))
        for file in sorted(entries_of(folder))
        if file.suffix.lower() == suffix and begins(beginning(file))
    ]


def read_records(
    root: Path, files: Sequence[Path], layout: str, records: Callable[[Path, str, ImageTree], Sequence[Record]]
) -> list[Listing]:
    """List the images of annotation files that hold many records each, and the images beside them that have none.

    Args:
        root: Of the data set.
        files: As `files_beginning` gave them.
        layout: Of the reader, for the message where there is no file.
        records: Reads one file: what it says of each image; given its path below the root, too, and the images.

    Raises:
        DataError: There is no file.
    """
    if not files:
        msg = f"{root}: wanted {layout}, got no such file"
        raise DataError(msg)
    tree = ImageTree(root)
    listings: list[Listing] = []
    for file in files:
        at = file.relative_to(root).as_posix()
        listings += _pair_records(at, records(file, at, tree), tree)
    return with_unlabelled(listings, tree)


def _pair_records(at: str, records: Sequence[Record], tree: ImageTree) -> list[Listing]:
    listings = []
    for number, record in enumerate(records):
        problem = None if isinstance(record, Marked) else record[1]
        marked = record if isinstance(record, Marked) else Marked(written=record[0])
        listings.append(_listing(at, marked, tree, problem, number=number))
    return listings


def with_unlabelled(
    listings: Sequence[Listing], tree: ImageTree, splits: Mapping[str, Split] | None = None
) -> list[Listing]:
    """Add, without a label, the images that lie beside annotated ones; and splits that a list names.

    A copy of an annotated image under its name, in another folder, is no image of its own.
    """
    folders = {PurePosixPath(each.path).parent.as_posix() for each in listings if each.path in tree}
    known = {each.path for each in listings}
    known |= tree.copies_of(known)
    bare = [
        Listing(path=path, label=None, split=folder_split(path))
        for path in tree.paths
        if path not in known and PurePosixPath(path).parent.as_posix() in folders
    ]
    every = [*listings, *bare]
    if not splits:
        return every
    return [replace(each, split=splits.get(plain_name(PurePosixPath(each.path).stem), each.split)) for each in every]


def _listing(at: str, marked: Marked, tree: ImageTree, problem: str | None, *, number: int = 0) -> Listing:
    folder = at.rpartition("/")[0]
    written = marked.written if marked.written is not None else at
    path = None
    try:
        path = tree.find(written, beside=folder, any_suffix=marked.any_suffix or marked.written is None)
        if path is None and marked.written is not None:
            path = tree.find(at, beside=folder, any_suffix=True)
    except DataError as error:
        problem = problem or f"{at}: {error}"
    if path is None and problem is None:
        problem = f"{at} belongs to {written!r}, but no image of this name lies below the data folder"
    return Listing(
        path=path or f"{at}#{number}",
        label=None if marked.areas or problem else marked.label,
        split=folder_split(path or at) or split_of(at),
        areas=marked.areas,
        drawn_on=marked.drawn_on,
        problem=problem,
    )


def _once(listings: Sequence[Listing]) -> list[Listing]:
    """Refuse an image that two files annotate."""
    counts = Counter(each.path for each in listings)
    return [
        each
        if counts[each.path] == 1
        else replace(each, problem=f"{each.path} is annotated by {counts[each.path]} files; keep one")
        for each in listings
    ]
