"""Python packages installed from wheels that were sent, each set of them once: `runtimes/<key>/`, for PYTHONPATH."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import store
from .answers import RefusalError

_TAIL = 2_000


def install(folder: Path, facts: dict[str, Any]) -> str:
    """Install wheels with the pip that lies among the files sent; neither pip nor venv need be on the device.

    Args:
        folder: The store's.
        facts: `key` names the set, `wheels` maps file name to digest, `pip` is the digest of pip's own wheel.

    Returns:
        The folder to import from.
    """
    return _made_once(folder, facts["key"], lambda temporary: _install(folder, facts, temporary))


def unpack(folder: Path, facts: dict[str, Any]) -> str:
    """Unpack one wheel of plain Python: Beltline's own.

    Args:
        folder: The store's.
        facts: `key` names it, `wheel` is its digest.

    Returns:
        The folder to import from.
    """

    def work(temporary: Path) -> Path:
        with zipfile.ZipFile(store.blob(folder, facts["wheel"])) as archive:
            archive.extractall(temporary / "packages")
        return temporary / "packages"

    return _made_once(folder, facts["key"], work)


def _made_once(folder: Path, key: str, work: Callable[[Path], Path]) -> str:
    place = folder / "runtimes" / Path(key).name
    place.parent.mkdir(parents=True, exist_ok=True)
    with (folder / "runtimes.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            with tempfile.TemporaryDirectory(prefix="install-", dir=folder) as temporary:
                made = work(Path(temporary))
                os.sync()
                made.replace(place)
    os.utime(place)
    return str(place)


def _install(folder: Path, facts: dict[str, Any], temporary: Path) -> Path:
    wheels, pip, packages = (temporary / name for name in ("wheels", "pip.whl", "packages"))
    wheels.mkdir()
    for name, digest in facts["wheels"].items():
        store.link(store.blob(folder, digest), wheels / Path(name).name)
    store.link(store.blob(folder, facts["pip"]), pip)
    argv = [sys.executable, str(pip / "pip"), "install", "--no-index", "--no-deps", "--no-cache-dir", "--quiet"]
    given = [str(path) for path in sorted(wheels.iterdir())]
    ended = subprocess.run(
        [*argv, "--disable-pip-version-check", "--no-warn-script-location", "--target", str(packages), *given],
        env={**os.environ, "TMPDIR": str(temporary), "PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        check=False,
    )
    if ended.returncode:
        words = f"installing the runner's packages failed: {ended.stderr.decode(errors='replace')[-_TAIL:].strip()}"
        raise RefusalError(words)
    return packages
