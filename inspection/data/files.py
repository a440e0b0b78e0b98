"""Which files belong to a data set, and that none of them lies outside its root."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from filecmp import cmp
from pathlib import Path

from ..base.errors import DataError

IMAGE_SUFFIXES = frozenset({".bmp", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"})
MASK_FOLDERS = frozenset({"annotation", "annotations", "groundtruth", "gt", "mask", "masks", "segmentation"})
_MARK = re.compile(r"[ _.-]+(?:ground_?truth|gt|masks?|labels?|seg|segmentation|annotation)$", re.IGNORECASE)
_COPY = re.compile(r"(?: ?\((?:copy|kopie|copie|\d+)\)| - (?:copy|kopie|copie))$", re.IGNORECASE)
_MAX_DEPTH = 20
_MOST_FOLDERS = 20_000
_REFUSED = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def images_in(folder: Path) -> list[Path]:
    """List a folder's image files by suffix, sorted by name; hidden files and sub-folders are left out."""
    return sorted(path for path in entries_of(folder) if path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir())


def images_below(folder: Path) -> list[Path]:
    """List the image files of a folder and of its sub-folders, such as one a day, to any depth up to 20."""
    found: list[Path] = []
    folders, seen = [(folder, 0)], set[Path]()
    while folders:
        if len(seen) > _MOST_FOLDERS:
            msg = f"{folder}: wanted at most {_MOST_FOLDERS:,} folders below it; does a link lead out of the data?"
            raise DataError(msg)
        place, depth = folders.pop()
        if place.resolve() in seen:
            continue  # a link back to a folder that was listed already
        seen.add(place.resolve())
        found += images_in(place)
        folders += [(each, depth + 1) for each in folders_in(place) if depth < _MAX_DEPTH]
    return sorted(found)


def folders_in(folder: Path) -> list[Path]:
    """List a folder's sub-folders, sorted by name; hidden ones are left out, a missing folder has none."""
    return sorted(path for path in entries_of(folder) if path.is_dir())


def is_mask_folder(name: str) -> bool:
    """Whether a folder is called as those that hold masks are.

    >>> [is_mask_folder(name) for name in ("ground_truth", "Masks", "train")]
    [True, True, False]
    """
    return re.sub(r"[ _-]", "", name).casefold() in MASK_FOLDERS


def unmarked(stem: str) -> str:
    """Take the mark off a mask's name, such as `_mask`, `_GT`, `-label` or `_seg`; a name without one stays.

    >>> unmarked("007_mask"), unmarked("Part0_label"), unmarked("007")
    ('007', 'Part0', '007')
    """
    return _MARK.sub("", stem) or stem


def without_copies(files: Sequence[Path]) -> list[Path]:
    """Leave out files that are called a copy, such as `a (copy).png`, and lie beside their original, byte for byte."""
    there = {file.name for file in files}
    return [file for file in files if not _is_copy(file, there)]


def _is_copy(file: Path, there: set[str]) -> bool:
    original = _COPY.sub("", file.stem) + file.suffix
    return original != file.name and original in there and cmp(file, file.with_name(original), shallow=False)


def plain_name(name: str) -> str:
    """Bring a name into one form: case, and accents as one character or two, do not tell names apart."""
    return unicodedata.normalize("NFC", name).casefold()


def masks_by_stem(folder: Path) -> dict[str, Path]:
    """Index a folder of masks by the plain stem of the image that each belongs to.

    A mask is called as its image, with a mark such as `_mask` or without, with any suffix; or it is a folder called
    as the image, which holds the mask's files. A marked name goes before one without.
    """
    exact = {plain_name(path.stem): path for path in images_in(folder)}
    folders = {plain_name(path.name): path for path in folders_in(folder) if images_in(path)}
    marked = {plain_name(bare): path for path in images_in(folder) if (bare := unmarked(path.stem)) != path.stem}
    return folders | exact | marked


def as_stored(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """Give the paths under which files are stored that a table writes in another Unicode form (NFC against NFD).

    Returns:
        Only those that differ; what is not there in any form is left out.
    """
    listed: dict[Path, dict[str, str]] = {}
    changed = {}
    for path in paths:
        if path.isascii() or os.path.lexists(root / path):
            continue
        place = root
        for part in path.split("/"):
            if place not in listed:
                listed[place] = {unicodedata.normalize("NFC", each.name): each.name for each in entries_of(place)}
            place /= listed[place].get(unicodedata.normalize("NFC", part), part)
        if place.exists():
            changed[path] = place.relative_to(root).as_posix()
    return changed


def locate(root: Path, paths: Iterable[str], *, follow_links: bool = False) -> dict[str, Path]:
    """Give the file that each path stands for, symbolic links followed; files need not exist.

    Args:
        root: Resolved folder of the data set.
        paths: Relative to the root, POSIX separators.
        follow_links: Whether links may lead out of the root; a path itself never may.

    Raises:
        DataError: A path is absolute, climbs out with `..`, or is a link that leads out of the root.

    >>> locate(Path("/data"), ["../secret.png"])
    Traceback (most recent call last):
    ...
    beltline.inspection.base.errors.DataError: '../secret.png' leaves the data folder /data; keep every file inside it
    """
    folders: dict[str, Path] = {}
    return {path: _locate(root, path, folders, follow_links=follow_links) for path in paths}


def entries_of(folder: Path) -> list[Path]:
    """List a folder without hidden names; a missing one has none.

    Raises:
        DataError: It cannot be listed.
    """
    if not folder.is_dir():
        return []
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        msg = f"cannot list {folder}: {error.strerror}; check its permissions"
        raise DataError(msg) from error


def _locate(root: Path, path: str, folders: dict[str, Path], *, follow_links: bool) -> Path:
    """Resolve each folder once and a file only if it is a link: a data set has many files in few folders."""
    _require_plain(root, path)
    folder, _, name = path.rpartition("/")
    try:
        if folder not in folders:
            folders[folder] = _resolved(root, root / folder, path, follow_links=follow_links)
        file = folders[folder] / name
        return _resolved(root, file, path, follow_links=follow_links) if file.is_symlink() else file
    except (OSError, RuntimeError) as error:
        msg = f"{path!r} cannot be a file: {error}; correct the path"
        raise DataError(msg) from error


def _resolved(root: Path, place: Path, path: str, *, follow_links: bool) -> Path:
    target = place.resolve()
    if not follow_links and not target.is_relative_to(root):
        msg = (
            f"{path!r} leaves the data folder {root}: it is a link to {target}; if that store may be read, write "
            "data.follow_links: true, else copy the files"
        )
        raise DataError(msg)
    return target


def _require_plain(root: Path, path: str) -> None:
    parts = path.split("/")
    if ".." in parts:
        msg = f"{path!r} leaves the data folder {root}; keep every file inside it"
        raise DataError(msg)
    if parts[0] == "" or parts[-1] in ("", "."):
        msg = f"paths must be relative to the data folder, got {path!r}; write something like train/good/001.png"
        raise DataError(msg)
    if "\\" in path or any(unicodedata.category(each) in _REFUSED for each in path):
        msg = f"paths must be plain text with / between folders, got {path!r}; rename the file or correct the path"
        raise DataError(msg)
