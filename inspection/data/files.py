"""Which files belong to a data set, and that none of them lies outside its root."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..base.errors import DataError

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"})


def images_in(folder: Path) -> list[Path]:
    """List a folder's image files by suffix, sorted by name; hidden files and sub-folders are left out."""
    return sorted(path for path in _entries(folder) if path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir())


def folders_in(folder: Path) -> list[Path]:
    """List a folder's sub-folders, sorted by name; hidden ones are left out, a missing folder has none."""
    return sorted(path for path in _entries(folder) if path.is_dir())


def named_in(folder: Path, stem: str) -> Path | None:
    """Find the image file called `stem` with any known suffix, or None."""
    spellings = [suffix for each in sorted(IMAGE_SUFFIXES) for suffix in (each, each.upper())]
    return next((path for suffix in spellings if (path := folder / f"{stem}{suffix}").exists()), None)


def locate(root: Path, paths: Iterable[str]) -> dict[str, Path]:
    """Give the file that each path stands for, symbolic links followed; files need not exist.

    Args:
        root: Resolved folder of the data set.
        paths: Relative to the root, POSIX separators.

    Raises:
        DataError: A path is absolute, climbs out with `..`, or is a link that leads out of the root.

    >>> locate(Path("/data"), ["../secret.png"])
    Traceback (most recent call last):
    ...
    beltline.inspection.base.errors.DataError: '../secret.png' leaves the data folder /data; keep every file inside it
    """
    folders: dict[str, Path] = {}
    return {path: _locate(root, path, folders) for path in paths}


def _locate(root: Path, path: str, folders: dict[str, Path]) -> Path:
    """Resolve each folder once and a file only if it is a link: a data set has many files in few folders."""
    _require_plain(root, path)
    folder, _, name = path.rpartition("/")
    try:
        if folder not in folders:
            folders[folder] = _inside(root, root / folder, path)
        file = folders[folder] / name
        return _inside(root, file, path) if file.is_symlink() else file
    except (OSError, RuntimeError) as error:
        msg = f"{path!r} cannot be a file: {error}; correct the path"
        raise DataError(msg) from error


def _inside(root: Path, place: Path, path: str) -> Path:
    target = place.resolve()
    if not target.is_relative_to(root):
        raise _leaving(root, path)
    return target


def _leaving(root: Path, path: str) -> DataError:
    return DataError(f"{path!r} leaves the data folder {root}; keep every file inside it")


def _require_plain(root: Path, path: str) -> None:
    parts = path.split("/")
    if ".." in parts:
        raise _leaving(root, path)
    if parts[0] == "" or parts[-1] in ("", "."):
        msg = f"paths must be relative to the data folder, got {path!r}; write something like train/good/001.png"
        raise DataError(msg)
    if not path.isprintable() or "\\" in path:
        msg = f"paths must be printable text with / between folders, got {path!r}; rename the file or correct the path"
        raise DataError(msg)


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        msg = f"cannot list {folder}: {error.strerror}; check its permissions"
        raise DataError(msg) from error
