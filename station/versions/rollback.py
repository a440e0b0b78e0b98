"""Going back to the version that worked before; for a station, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ...inspection.base.errors import BeltlineError, BundleError
from ...targets.host import LocalHost
from .activation import (
    SWITCH_WAIT_S,
    Activation,
    Places,
    activate,
    current_activation,
    earlier_activations,
    switching,
    unpacked_of,
)
from .admission import ignore
from .installing import make_root
from .self_test import Tested, self_test
from .tidying import remove_leftovers

_LIMIT_S = 900
"""For all that a rollback may have to test on its way; each self-test has a limit of its own."""


def roll_back(places: Places) -> Activation:
    """Put the previous version to work, the latest of them that still passes its self-test.

    Going back twice goes back two versions.

    Raises:
        BundleError: There is none to go back to; the message says what became of each.
        StorageError: The disk cannot be written, or another process installs.
    """
    make_root(places)
    with switching(places):
        remove_leftovers(places, of_installs=False)
        now = current_activation(places)
    if now is None:
        msg = f"nothing is installed in {places.root}; install a bundle first"
        raise BundleError(msg)
    earlier, tested = _first_that_works(places, now)
    with switching(places, wait_s=SWITCH_WAIT_S):
        if current_activation(places) != now:
            msg = f"another process put a version to work meanwhile in {places.root}; look at `beltline status`"
            raise BundleError(msg)
        unpacked_of(places, earlier)  # still there, and whole
        return activate(
            places,
            earlier.version,
            why="rollback",
            previous=earlier.previous,
            signer=earlier.signer,
            self_test=tested.proven,
            measured=tested.measured,
        )


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
    return f"what is installed was not rolled back: {last}; run `beltline rollback`, or install a sound bundle"


def _first_that_works(places: Places, now: Activation) -> tuple[Activation, Tested]:
    """Find the latest version before `now` that passes its self-test; nothing is locked meanwhile."""
    refused = []
    for earlier in earlier_activations(places, now):
        if earlier.version == now.version:
            continue
        try:
            return earlier, self_test(unpacked_of(places, earlier), notify=ignore)
        except BeltlineError as error:
            refused.append(f"{earlier.version}: {error}")
    reasons = "; ".join(refused) or "it was the first"
    msg = f"wanted a version before {now.version} that works, got none ({reasons}); {now.version} goes on working"
    raise BundleError(msg)


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
