"""One process at a time in a folder: the kernel's lock, and who holds it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .errors import StorageError

_POLL_S = 0.05


@contextmanager
def locked(folder: Path, *, instead: str, name: str = "lock", wait_s: float = 0.0) -> Iterator[None]:
    """Keep other processes out of an existing folder until the block ends.

    The lock is the kernel's (POSIX record lock on the file `lock`), so that it dies with its owner: a lock file left
    behind by a dead process is taken over.

    Args:
        folder: May lie on any local disk.
        instead: Ends the message where the lock cannot be had, such as `choose another folder with --runs`.
        name: Of the lock's file; two names are two locks.
        wait_s: So long another owner is waited for.

    Raises:
        StorageError: Another process holds it (its pid is named), or the folder cannot be written or locked.
    """
    try:
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        msg = f"cannot write {folder}: {error.strerror or error}; {instead}"
        raise StorageError(msg) from error
    try:
        _take(descriptor, folder / name, instead, wait_s=wait_s)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, lock: Path, instead: str, *, wait_s: float) -> None:
    folder, until_s = lock.parent, time.monotonic() + wait_s
    try:
        while True:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except (BlockingIOError, PermissionError):
                if time.monotonic() >= until_s:
                    raise
                time.sleep(_POLL_S)
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
        msg = f"cannot write {lock}: {error.strerror}; free some space, or {instead}"
        raise StorageError(msg) from error


def _owner(descriptor: int) -> str:
    try:
        owner: dict[str, Any] = json.loads(os.pread(descriptor, 1000, 0))
        return f"process {owner['pid']} since {owner['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
