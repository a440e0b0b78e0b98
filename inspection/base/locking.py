"""One process at a time in a folder: the kernel's lock, and who holds it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .errors import StorageError


@contextmanager
def locked(folder: Path, *, instead: str) -> Iterator[None]:
    """Keep other processes out of an existing folder until the block ends.

    The lock is the kernel's (POSIX record lock on the file `lock`), so that it dies with its owner: a lock file left
    behind by a dead process is taken over.

    Args:
        folder: May lie on any local disk.
        instead: Ends the message where the lock cannot be had, such as `choose another folder with --runs`.

    Raises:
        StorageError: Another process holds it (its pid is named), or the folder cannot be written or locked.
    """
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        msg = f"cannot write {folder}: {error.strerror or error}; {instead}"
        raise StorageError(msg) from error
    try:
        _take(descriptor, folder, instead)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: Path, instead: str) -> None:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        msg = f"{folder} is in use by {_owner(descriptor)}; wait for it, stop it, or {instead}"
        raise StorageError(msg) from error
    except OSError as error:
        msg = f"{folder} lies where files cannot be locked: {error.strerror}; choose a local disk, or {instead}"
        raise StorageError(msg) from error
    since = datetime.now(tz=timezone.utc).isoformat(timespec="seconds")
    try:
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "since": since}).encode(), 0)
    except OSError as error:
        msg = f"cannot write {folder / 'lock'}: {error.strerror}; free some space, or {instead}"
        raise StorageError(msg) from error


def _owner(descriptor: int) -> str:
    try:
        owner: dict[str, Any] = json.loads(os.pread(descriptor, 1000, 0))
        return f"process {owner['pid']} since {owner['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
