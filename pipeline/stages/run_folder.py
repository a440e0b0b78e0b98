"""A run's folder: of one format, and worked on by one process at a time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...inspection.base.errors import StorageError
from ...inspection.base.locking import locked
from ...inspection.base.storage import write_json

RUN_FORMAT = 1
"""Of the tree under `runs/<name>/`; a folder of another format is refused."""


@contextmanager
def open_run(runs: Path, name: str) -> Iterator[Path]:
    """Make or reopen `runs/<name>` and keep other processes out of it until the block ends.

    What a killed run left half-written is removed.

    Yields:
        The folder.

    Raises:
        StorageError: Another process works there (its pid is named), the folder is of another format or belongs to
            something else, or cannot be written.
    """
    folder = runs / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"cannot write the run folder {folder}: {error.strerror or error}; choose another with --runs"
        raise StorageError(msg) from error
    with locked(folder, instead="choose another folder with --runs"):
        _check_format(folder)
        _remove_leftovers(folder)
        yield folder


def _check_format(folder: Path) -> None:
    path = folder / "run.json"
    if not path.exists():
        _claim(folder, path)
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} cannot be read: {error}; move the folder away, or choose another with --runs"
        raise StorageError(msg) from error
    if found != RUN_FORMAT:
        msg = (
            f"{folder}: wanted a run folder of format {RUN_FORMAT}, got format {found} of another version of Beltline; "
            "move it away, or choose another folder with --runs"
        )
        raise StorageError(msg)


def _claim(folder: Path, path: Path) -> None:
    strangers = sorted(each.name for each in folder.iterdir() if each.name != "lock" and not _is_leftover(each))
    if strangers:
        msg = f"{folder} is no run folder (it holds {strangers[0]!r}); choose another with --runs, or rename the line"
        raise StorageError(msg)
    write_json(path, {"format": RUN_FORMAT})


def _remove_leftovers(folder: Path) -> None:
    """Remove temporary names that only a killed process leaves; whoever holds the lock owns them all."""
    for place in (folder, folder / "stages", *(folder / "partial").glob("*")):
        for each in place.iterdir() if place.is_dir() else ():
            if not _is_leftover(each):
                continue
            if each.is_dir():
                shutil.rmtree(each, ignore_errors=True)
            else:
                each.unlink(missing_ok=True)


def _is_leftover(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".tmp")
