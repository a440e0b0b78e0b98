"""A disk that is soon full: 512 kB of memory mounted as a file system, where this user may do that."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SIZE = "512k"


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """Mount one at a new folder; None: this user may not mount."""
    folder.mkdir()
    argv = [shutil.which("mount") or "mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "none", str(folder)]
    try:
        mounted = subprocess.run(argv, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run([shutil.which("umount") or "umount", "--lazy", str(folder)], check=True)
