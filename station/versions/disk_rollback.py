"""What is installed follows what works: a rollback in a process of its own, for it tests what it goes back to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ...targets.host import LocalHost

_LIMIT_S = 300


def roll_back_on_disk(root: Path) -> str:
    """Put the version before the installed one to work on the disk; whatever comes of it, one sentence says it.

    An ordinary user's station on a read-only bundle may not do that: it then works on with the version that works, and
    whoever installs bundles is told.
    """
    environment = {**os.environ, "PYTHONPATH": LocalHost().import_path}
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "beltline.station.versions.rollback", str(root)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"what is installed was not rolled back: {error}"
    if ended.returncode == 0:
        return f"what is installed was rolled back to {ended.stdout.strip()}"
    last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
    return f"what is installed was not rolled back: {last}; roll it back by hand, or install a sound bundle"
