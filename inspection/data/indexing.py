"""All files of a data set are opened once, several at a time; what was found is remembered for the next run."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from ..base.errors import DataError, StorageError
from .entries import Entry, entry_of

_BATCH = 256

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What is known of a set of files.

    Attributes:
        entries: By file, for all that could be read.
        unreadable: By file, why not: a sentence that names it.
    """

    entries: Mapping[Path, Entry]
    unreadable: Mapping[Path, str]


def index_files(files: Sequence[Path], cache: Path | None = None, progress: Progress | None = None) -> Index:
    """Open image files once; at most 256 are under way.

    Args:
        files: Resolved paths; each once.
        cache: Database file that remembers what was found; None: everything is opened.
        progress: Called with the number of files done and of all files.

    Raises:
        StorageError: The cache cannot be written.
    """
    entries: dict[Path, Entry] = {}
    unreadable: dict[Path, str] = {}
    opened = nullcontext() if cache is None else closing(IndexCache(cache))
    with opened as known, ThreadPoolExecutor(_workers()) as pool:
        for start in range(0, len(files), _BATCH):
            batch = files[start : start + _BATCH]
            found = _index_batch(batch, known, pool)
            entries |= {file: entry for file, entry in found.items() if isinstance(entry, Entry)}
            unreadable |= {file: reason for file, reason in found.items() if isinstance(reason, str)}
            if progress is not None:
                progress(start + len(batch), len(files))
    return Index(entries=entries, unreadable=unreadable)


def _index_batch(batch: Sequence[Path], known: IndexCache | None, pool: ThreadPoolExecutor) -> dict[Path, Entry | str]:
    stamps = stamps_of(batch)
    remembered = {} if known is None else known.find(stamps)
    fresh = [file for file in batch if file not in remembered]
    found = dict(zip(fresh, pool.map(_attempt, fresh), strict=True))
    if known is not None:
        known.add({file: entry for file, entry in found.items() if isinstance(entry, Entry)}, stamps)
    return remembered | found


def _attempt(file: Path) -> Entry | str:
    try:
        return entry_of(file)
    except DataError as error:
        return str(error)


def _workers() -> int:
    return min(8, len(os.sched_getaffinity(0)))


Stamp = tuple[int, int]

_VERSION = 2
_FIELDS = tuple(field.name for field in fields(Entry))
_CREATE = f"CREATE TABLE entries (path TEXT PRIMARY KEY, size, mtime_ns, {', '.join(_FIELDS)}) WITHOUT ROWID"
_INSERT = f"INSERT OR REPLACE INTO entries VALUES ({', '.join('?' * (3 + len(_FIELDS)))})"  # noqa: S608 - question marks only


class IndexCache:
    """Entries by path, size and time of change.

    A file that is damaged or of another version is made anew, since everything in it can be found out again.
    Each `add` is one transaction, so that a killed run leaves a whole file. It belongs to one thread.

    Args:
        file: The database; its folder is made if missing.

    Raises:
        StorageError: The file cannot be opened or written.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        with self._storage_errors():
            file.parent.mkdir(parents=True, exist_ok=True)
            self._database = _opened(file)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def find(self, stamps: Mapping[Path, Stamp]) -> dict[Path, Entry]:
        """Give the entries of those files whose size and time of change are as remembered.

        Args:
            stamps: At most 900 files with size in bytes and time of change in nanoseconds.
        """
        files = {str(file): file for file in stamps}
        marks = ", ".join("?" * len(files))
        with self._storage_errors():
            query = f"SELECT * FROM entries WHERE path IN ({marks})"  # noqa: S608 - question marks only
            rows = self._database.execute(query, list(files)).fetchall()
        return {
            files[path]: _entry(values)
            for path, size, mtime_ns, *values in rows
            if stamps[files[path]] == (size, mtime_ns)
        }

    def add(self, entries: Mapping[Path, Entry], stamps: Mapping[Path, Stamp]) -> None:
        """Remember entries, all or none, with the stamps taken before the files were opened."""
        rows = [(str(file), *stamps[file], *astuple(entry)) for file, entry in entries.items() if file in stamps]
        with self._storage_errors(), self._database:
            self._database.executemany(_INSERT, rows)

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            msg = f"cannot write {self._file}: {error}; free some space, choose another folder or remove the file"
            raise StorageError(msg) from error


def stamps_of(files: Sequence[Path]) -> dict[Path, Stamp]:
    """Give size and time of change of those files that are there."""
    stamps = {}
    for file in files:
        try:
            status = file.stat()
        except OSError:
            continue  # found to be unreadable when it is opened
        stamps[file] = (status.st_size, status.st_mtime_ns)
    return stamps


def _opened(file: Path) -> sqlite3.Connection:
    try:
        database = sqlite3.connect(file, timeout=30)
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version == _VERSION:
            return database
        database.close()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:  # damaged, or no database at all
        database.close()
    file.unlink(missing_ok=True)
    database = sqlite3.connect(file, timeout=30)
    with database:
        database.execute(_CREATE)
        database.execute(f"PRAGMA user_version = {_VERSION}")
    return database


def _entry(values: Sequence[Any]) -> Entry:
    by_name = dict(zip(_FIELDS, values, strict=True))
    return Entry(**by_name | {"colour": bool(by_name["colour"]), "mosaic": bool(by_name["mosaic"])})
