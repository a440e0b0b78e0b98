"""Passwords, tokens and keys lie in files of their own, never in station.yaml, and only their owner can read them."""

from __future__ import annotations

import stat
from pathlib import Path

from ..inspection.base.errors import LineFileError

_MOST_BYTES = 4096


def read_secret(path: Path) -> str:
    """Read the one line of a file.

    Raises:
        LineFileError: It is missing, empty, longer than 4096 bytes, or others than its owner (and group) may read it.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(_MOST_BYTES + 1).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: wanted a file with a secret on its one line, got {error}"
        raise LineFileError(msg) from error
    require_private(path)
    if not text or len(text) > _MOST_BYTES or not text.isprintable():
        msg = f"{path}: wanted a secret on one line, got {'nothing' if not text else 'something else'}"
        raise LineFileError(msg)
    return text


def require_private(path: Path) -> None:
    """Refuse a file that everybody on this machine may read or write.

    Raises:
        LineFileError: It is one, or is missing.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        msg = f"{path}: wanted a file with a secret, got {error}"
        raise LineFileError(msg) from error
    if mode & stat.S_IRWXO:
        msg = f"{path}: everybody on this machine may read this secret; run: chmod 640 {path}"
        raise LineFileError(msg)
