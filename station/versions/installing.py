"""Installing a bundle: unpacked beside what works, tested there, then one rename; power may fail at any instruction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...export.bundles.reading import OpenBundle, open_bundle, read_unpacked
from ...export.bundles.signing import public_pem
from ...inspection.base.errors import BundleError, StorageError
from ...inspection.base.locking import locked
from ...inspection.base.storage import new_folder, sync, write_bytes
from .activation import Activation, Places, activate, current_activation
from .admission import Tell, Verified, proven_in, require_machine, say_nothing
from .tidying import remove_leftovers

_INSTEAD = "choose another folder with --root"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallOptions:
    """What the user allows.

    Attributes:
        key: Public key that must have signed the bundle; None: the one remembered from an earlier install.
        allow_unsigned: Take a bundle that no key vouches for.
        other_device: Take a bundle that was measured on another architecture.
    """

    key: Path | None = None
    allow_unsigned: bool = False
    other_device: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What came of it.

    Attributes:
        activation: What works now.
        verified: What the bundle stood.
    """

    activation: Activation
    verified: Verified


def install(path: Path, places: Places, options: InstallOptions, *, notify: Tell = say_nothing) -> Installed:
    """Install a bundle and put it to work.

    Whatever happens, power failure included, either what worked before or the new version works afterwards.

    Args:
        path: The bundle.
        places: Where versions are kept; made where there is nothing.
        options: What the user allows.
        notify: Told what is built here and how far that is.

    Raises:
        BundleError: It is damaged, forged, hostile, unsigned, or for another architecture.
        MissingPartError: No runtime for it is here.
        ParityError: A golden decision flipped.
        StorageError: The disk is full, or another process installs (it is named).
        TooSlowError: A model that was built here is too slow for the belt.
    """
    make_root(places)
    with locked(places.root, instead=_INSTEAD):
        remove_leftovers(places)
        key = options.key or (
            places.trusted_key if places.trusted_key.exists() and not options.allow_unsigned else None
        )
        with open_bundle(path, key=key) as bundle:
            _require_vouched(bundle, options)
            version, verified = _brought_in(bundle, places, options, notify)
        if options.key is not None and not places.trusted_key.exists():
            write_bytes(places.trusted_key, public_pem(options.key))
        return Installed(activation=_put_to_work(places, version, verified), verified=verified)


def make_root(places: Places) -> None:
    """Make the folder that versions are kept in.

    Raises:
        StorageError: It cannot be written.
    """
    try:
        for folder in (places.root, places.versions, places.generations):
            folder.mkdir(parents=True, exist_ok=True)
        sync(places.root)
        sync(places.root.parent)
    except OSError as error:
        msg = f"cannot write {places.root}: {error.strerror or error}; {_INSTEAD}"
        raise StorageError(msg) from error


def _require_vouched(bundle: OpenBundle, options: InstallOptions) -> None:
    if not bundle.signer.trusted and not options.allow_unsigned:
        msg = (
            f"{bundle.signer.text}; give the public key of whoever makes your bundles with --key, "
            "or pass --allow-unsigned to install it whoever made it"
        )
        raise BundleError(msg)


def _brought_in(bundle: OpenBundle, places: Places, options: InstallOptions, notify: Tell) -> tuple[str, Verified]:
    """Unpack and test a bundle under a name of its own; a version that is there already is tested as it lies there."""
    machine = require_machine(bundle, other_device=options.other_device)
    folder = _folder_for(bundle, places)
    if folder.exists():
        sync(folder.parent)  # whoever put it there may have been killed before that
        return folder.name, proven_in(bundle, read_unpacked(folder), machine, notify=notify)
    with new_folder(folder) as temporary:
        verified = proven_in(bundle, bundle.unpack(temporary), machine, notify=notify)
    return folder.name, verified


def _folder_for(bundle: OpenBundle, places: Places) -> Path:
    """Name a folder that holds just this bundle or is not there; a damaged one may be what works, and is left alone."""
    name, attempt = bundle.manifest.version, 1
    while True:
        folder = places.versions / (name if attempt == 1 else f"{name}.{attempt}")
        if not folder.exists() or _holds(folder, bundle):
            return folder
        attempt += 1


def _holds(folder: Path, bundle: OpenBundle) -> bool:
    try:
        return read_unpacked(folder).manifest == bundle.manifest
    except BundleError:
        return False


def _put_to_work(places: Places, version: str, verified: Verified) -> Activation:
    try:
        before = current_activation(places)
    except BundleError:
        before = None
    return activate(
        places,
        version,
        why="install",
        previous=None if before is None else before.number,
        signer=verified.signer.text,
        self_test=verified.proven,
        measured=verified.measured,
    )
