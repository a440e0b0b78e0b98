"""Going back to the version that worked before."""

from __future__ import annotations

import sys
from pathlib import Path

from ...export.bundles.proof import Proven, prove_models
from ...inspection.base.errors import BeltlineError, BundleError
from ...inspection.base.locking import locked
from .activation import Activation, activate, current_activation, earlier_activations, unpacked_of
from .admission import self_test_threads
from .installing import make_root
from .places import Places
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
