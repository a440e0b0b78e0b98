"""A database file that remembers what opening an image once has shown."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from ..base.errors import StorageError
from .entries import Entry

Stamp = tuple[int, int]

_VERSION = 1
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
    return Entry(**by_name | {"colour": bool(by_name["colour"])})
