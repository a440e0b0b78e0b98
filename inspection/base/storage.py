"""Files that matter are written to a temporary name, synced and renamed; digests name their content."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
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
    """Write a whole file or nothing; see `write_chunks`."""
    write_chunks(path, (content,))


def write_chunks(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a whole file or nothing: temporary name, fsync, rename.

    Args:
        path: Its folder is made where there is none.
        chunks: The file's bytes in pieces; what they raise passes through, and nothing is left.

    Raises:
        StorageError: The disk is full or the folder cannot be written; an older file stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            stream.writelines(chunks)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync(path.parent)
    except BaseException as error:
        with suppress(OSError):  # it may never have come into being
            temporary.unlink()
        if isinstance(error, OSError) and not isinstance(error, StorageError):
            raise _storage_error(path, error) from error
        raise


def copy_file(source: Path, target: Path, *, advice: str) -> None:
    """Copy a whole file or nothing: temporary name, fsync, rename; an older one is replaced.

    Args:
        source: The file.
        target: Its folder is made where there is none.
        advice: What to do after freeing space, for the message.

    Raises:
        StorageError: The file cannot be read, or the disk is full or cannot be written.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, temporary)
        sync(temporary)
        temporary.replace(target)
        sync(target.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        msg = f"cannot copy {source} to {target}: {error.strerror}; free some space, {advice}"
        raise StorageError(msg) from error


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
            sync(each)
        temporary.chmod(0o755)
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
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


def sync(path: Path) -> None:
    """Bring a file or the list of a folder's entries to the disk; a symbolic link is an entry of its folder."""
    if path.is_symlink():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
