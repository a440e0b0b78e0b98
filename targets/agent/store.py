"""Files kept by digest: `blobs/<sha256>` is whole and true, `blobs/<sha256>.part` is what has arrived of it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from . import RefusalError

BEGIN = b"beltline: the file's bytes follow\n"

_CHUNK_BYTES = 1 << 16
_FORGET_AFTER_S = 30 * 86_400
_DIGEST = re.compile(r"[0-9a-f]{64}")


def missing(folder: Path, digests: list[str]) -> dict[str, int]:
    """Say which files are not whole here, and how many bytes of each are; a whole file counts as used today."""
    wholes = {digest: _blob(folder, digest) for digest in digests}
    for whole in wholes.values():
        if whole.exists():
            os.utime(whole)
    return {digest: _size(_part(whole)) for digest, whole in wholes.items() if not whole.exists()}


def take(folder: Path, digest: str, *, size_bytes: int, offset: int, source: int) -> dict[str, Any]:
    """Write what arrives to the part, from `offset` on; when the last byte is there, check it and give it its name.

    Args:
        folder: The store's.
        digest: Of the whole file.
        size_bytes: Of the whole file.
        offset: Where in the file the bytes to come begin; at most the size of the part.
        source: Descriptor that they come from; its end may come early.

    Returns:
        `have`: bytes here now; `damaged`: the whole did not have its digest and was thrown away.
    """
    whole = _blob(folder, digest)
    part = _part(whole)
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        _receive(part, min(offset, _size(part)), source)
    except OSError:
        part.unlink(missing_ok=True)  # the disk is full: leave it to those who need it
        raise
    if (arrived := _size(part)) < size_bytes:
        return {"have": arrived, "damaged": False}
    if describe(part) != {"size": size_bytes, "digest": digest}:
        part.unlink()
        return {"have": 0, "damaged": True}
    part.replace(whole)
    return {"have": size_bytes, "damaged": False}


def place(folder: Path, job: Path, facts: dict[str, Any]) -> str:
    """Give files of the store their names in a folder of the job.

    Args:
        folder: The store's.
        job: The job's folder.
        facts: `name` of the new folder in it, and `files`: relative name to digest.

    Returns:
        The new folder.
    """
    home = job / facts["name"]
    for name, digest in facts["files"].items():
        target = (home / name).absolute()
        if ".." in target.parts or not target.is_relative_to(home):
            text = f"{name!r}: leaves its folder"
            raise RefusalError(text)
        target.parent.mkdir(parents=True, exist_ok=True)
        link(blob(folder, digest), target)
    return str(home)


def link(source: Path, target: Path) -> None:
    """Name a file a second time, or copy it where the file system has no hard links."""
    try:
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:
        shutil.copyfile(source, target)


def describe(path: Path) -> dict[str, Any]:
    """Give a file's `size` in bytes and `digest` (sha256, hexadecimal)."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
        return {"size": stream.tell(), "digest": digest.hexdigest()}


def send(path: Path, *, offset: int, stream: BinaryIO) -> None:
    """Write a line that says where the file begins, whatever a login script has written before, then its bytes."""
    stream.write(BEGIN)
    with path.open("rb") as source:
        source.seek(offset)
        shutil.copyfileobj(source, stream)
    stream.flush()


def blob(folder: Path, digest: str) -> Path:
    """Find a whole file by its digest.

    Raises:
        RefusalError: It is not here.
    """
    path = _blob(folder, digest)
    if not path.exists():
        text = f"the file {digest[:16]} is not here any more; run again"
        raise RefusalError(text)
    return path


def forget(folder: Path, digests: Iterable[str]) -> None:
    """Remove files that have served."""
    for digest in digests:
        _blob(folder, digest).unlink(missing_ok=True)


def forget_old(folder: Path) -> None:
    """Remove files, and Python packages installed from them, that no session has used for 30 days."""
    limit = time.time() - _FORGET_AFTER_S
    for path in (*folder.glob("blobs/*"), *folder.glob("agents/*"), *folder.glob("runtimes/*")):
        if path.stat().st_mtime < limit:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _receive(part: Path, offset: int, source: int) -> None:
    descriptor = os.open(part, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    try:
        os.ftruncate(descriptor, offset)
        os.lseek(descriptor, offset, os.SEEK_SET)
        while chunk := os.read(source, _CHUNK_BYTES):
            while chunk:
                chunk = chunk[os.write(descriptor, chunk) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _part(whole: Path) -> Path:
    return whole.with_suffix(".part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _blob(folder: Path, digest: str) -> Path:
    if not _DIGEST.fullmatch(digest):
        text = f"{digest!r}: wanted a sha256 digest"
        raise RefusalError(text)
    return folder / "blobs" / digest
