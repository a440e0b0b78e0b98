"""Files that matter are written to a temporary name, synced and renamed; digests name their content."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import StorageError

_CHUNK_BYTES = 1 << 20
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


def digest_of_file(path: Path) -> str:
    """Give `sha256:<hex>` of a file's bytes, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def digest_of_json(value: Any) -> str:
    """Give `sha256:<hex>` of a JSON-able value, independent of the order of its keys.

    >>> digest_of_json({"a": 1, "b": 2}) == digest_of_json({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file or nothing: temporary name, fsync, rename.

    Raises:
        StorageError: The disk is full or the folder cannot be written; an older file stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _storage_error(path, error) from error


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON, whole or not at all; see `write_bytes`."""
    write_bytes(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Fill a folder under a temporary name and rename it into place when the block ends without an error.

    Yields:
        The temporary folder, beside the final one. After an error it is removed and `path` does not exist.

    Raises:
        StorageError: The disk is full or the place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    except OSError as error:
        raise _storage_error(path, error) from error
    try:
        yield temporary
        for each in sorted(temporary.rglob("*")):
            if each.is_file():
                _sync_file(each)
        _sync_folder(temporary)
        temporary.chmod(0o755)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if error.errno in _DISK_ERRORS and not isinstance(error, StorageError):
            raise _storage_error(path, error) from error
        raise
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _storage_error(path: Path, error: OSError) -> StorageError:
    return StorageError(f"cannot write {path}: {error.strerror or error}; free some space or choose another folder")


def _sync_file(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
