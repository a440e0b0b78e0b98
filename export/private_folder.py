"""Folders for what runtimes compile: what lies there is executed or trusted, so nobody else may write to it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..inspection.base.errors import StorageError

_OTHERS = 0o077
_VARIABLE = "BELTLINE_CACHE"


def private_folder(folder: Path, *, otherwise: str) -> Path:
    """Give a folder that only this user can write to; it is made where it is not there.

    Args:
        folder: Where.
        otherwise: What to do instead of removing it, for the message, such as `set X to one that is`.

    Raises:
        StorageError: It belongs to somebody else, others can write to it, it is a link, or it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        msg = f"{folder} cannot be made ({error.strerror}); {otherwise}"
        raise StorageError(msg) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & _OTHERS:
        msg = f"{folder} is no folder that only you can write to; remove it, or {otherwise}"
        raise StorageError(msg)
    return folder


def compiled_code(runtime: str) -> Path:
    """Give the folder where a runtime keeps what it compiled, so that a restart need not compile again.

    Args:
        runtime: Name of the folder below BELTLINE_CACHE, else below `beltline` in the user's cache folder.

    Raises:
        StorageError: See `private_folder`.
    """
    chosen = os.environ.get(_VARIABLE)
    root = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "beltline"
    return private_folder(root / runtime, otherwise=f"set {_VARIABLE} to a folder of your own")
