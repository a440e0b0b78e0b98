"""Going back to the version that worked before; for a station, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ...export.bundles.proof import Proven, prove_models
from ...inspection.base.errors import BeltlineError, BundleError
from ...inspection.base.locking import locked
from ...targets.host import LocalHost
from .activation import Activation, Places, activate, current_activation, earlier_activations, unpacked_of
from .admission import self_test_threads
from .installing import make_root
from .tidying import remove_leftovers


def roll_back(places: Places) -> Activation:
    """Put the previous version to work, the latest of them that still passes its self-test.

    Going back twice goes back two versions.

    Raises:
        BundleError: There is none to go back to; the message says what became of each.
        StorageError: The disk cannot be written, or another process installs.
    """
    make_root(places)
    with locked(places.root, instead="choose another folder with --root"):
        remove_leftovers(places)
        now = current_activation(places)
        if now is None:
            msg = f"nothing is installed in {places.root}; install a bundle first"
            raise BundleError(msg)
        refused = []
        for earlier in earlier_activations(places, now):
            if earlier.version == now.version:
                continue
            try:
                tested = _tested(places, earlier)
            except BeltlineError as error:
                refused.append(f"{earlier.version}: {error}")
                continue
            return activate(
                places,
                earlier.version,
                why="rollback",
                previous=earlier.previous,
                signer=earlier.signer,
                self_test=tested,
            )
        notified = "; ".join(refused) or "it was the first"
        msg = f"wanted a version before {now.version} that works, got none ({notified}); {now.version} goes on working"
        raise BundleError(msg)


def _tested(places: Places, activation: Activation) -> tuple[Proven, ...]:
    unpacked = unpacked_of(places, activation)
    return prove_models(unpacked, threads=self_test_threads(unpacked.manifest))


def main() -> None:
    """Roll back what is installed in the folder named: `python -m beltline.station.versions.rollback FOLDER`."""
    try:
        now = roll_back(Places(root=Path(sys.argv[1])))
    except BeltlineError as error:
        sys.stderr.write(f"{error}\n".replace("\n", " "))
        raise SystemExit(error.exit_code) from error
    sys.stdout.write(f"{now.version}\n")


if __name__ == "__main__":
    main()


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
