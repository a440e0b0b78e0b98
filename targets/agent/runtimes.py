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

from . import RefusalError, store

_TAIL = 2_000


def installed(folder: Path, key: str) -> str | None:
    """Give the folder of a set that is installed."""
    place = folder / "runtimes" / Path(key).name
    if not place.exists():
        return None
    os.utime(place)
    return str(place)


def install(folder: Path, facts: dict[str, Any]) -> str:
    """Install wheels with the pip that lies among the files sent; neither pip nor venv need be on the device.

    Args:
        folder: The store's.
        facts: `key` names the set, `wheels` maps file name to digest; pip's own wheel is among them.

    Returns:
        The folder to import from.
    """
    return _made_and_forgotten(folder, facts, lambda temporary: _install(folder, facts, temporary))


def unpack(folder: Path, facts: dict[str, Any]) -> str:
    """Unpack one wheel of plain Python: Beltline's own.

    Args:
        folder: The store's.
        facts: `key` names it, `wheels` maps its file name to its digest.

    Returns:
        The folder to import from.
    """

    def work(temporary: Path) -> Path:
        (digest,) = facts["wheels"].values()
        with zipfile.ZipFile(store.blob(folder, digest)) as archive:
            archive.extractall(temporary / "packages")
        return temporary / "packages"

    return _made_and_forgotten(folder, facts, work)


def _made_and_forgotten(folder: Path, facts: dict[str, Any], work: Callable[[Path], Path]) -> str:
    """Make a set unless another session has just done so, and remove the wheels that it was made from."""
    place = folder / "runtimes" / Path(facts["key"]).name
    place.parent.mkdir(parents=True, exist_ok=True)
    with (folder / "runtimes.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            with tempfile.TemporaryDirectory(prefix="install-", dir=folder) as temporary:
                made = work(Path(temporary))
                os.sync()
                made.replace(place)
        store.forget(folder, facts["wheels"].values())
    return str(place)


def _install(folder: Path, facts: dict[str, Any], temporary: Path) -> Path:
    wheels, packages = temporary / "wheels", temporary / "packages"
    wheels.mkdir()
    for name, digest in facts["wheels"].items():
        store.link(store.blob(folder, digest), wheels / Path(name).name)
    pip = next(wheels.glob("pip-*.whl"))
    argv = [sys.executable, str(pip / "pip"), "install", "--no-index", "--no-deps", "--no-compile", "--quiet"]
    given = [str(path) for path in sorted(wheels.iterdir()) if path != pip]
    ended = subprocess.run(
        [*argv, "--disable-pip-version-check", "--no-warn-script-location", "--target", str(packages), *given],
        env={**os.environ, "TMPDIR": str(temporary), "PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        check=False,
    )
    if ended.returncode:
        text = f"installing the runner's packages failed: {ended.stderr.decode(errors='replace')[-_TAIL:].strip()}"
        raise RefusalError(text)
    return packages
