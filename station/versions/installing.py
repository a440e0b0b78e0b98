"""Installing a bundle: unpacked beside what works, tested there, then one rename; power may fail at any instruction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...export.bundles.manifest import Manifest
from ...export.bundles.reading import OpenBundle, manifest_of, open_bundle, read_unpacked
from ...export.bundles.signing import Signer, public_pem
from ...inspection.base.errors import BundleError, StorageError
from ...inspection.base.storage import new_folder, sync, write_bytes
from .activation import INSTEAD, SWITCH_WAIT_S, Activation, Places, activate, current_activation, installing, switching
from .admission import Verified, ignore, proven_in, require_machine
from .self_test import Notify
from .tidying import remove_leftovers


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallOptions:
    """What the user allows.

    Attributes:
        key: Public key that must have signed the bundle; None: the one remembered from an earlier install.
        allow_unsigned: Take a bundle that no key vouches for.
        other_device: Take a bundle that was measured on another architecture.
        other_line: Take a bundle of another line or product than the one at work.
        older: Take a bundle with a lower number than the one at work.
    """

    key: Path | None = None
    allow_unsigned: bool = False
    other_device: bool = False
    other_line: bool = False
    older: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What came of it.

    Attributes:
        activation: What works now.
        verified: What the bundle stood.
    """

    activation: Activation
    verified: Verified


def install(path: Path, places: Places, options: InstallOptions, *, notify: Notify = ignore) -> Installed:
    """Install a bundle and put it to work.

    Whatever happens, power failure included, either what worked before or the new version works afterwards.

    Args:
        path: The bundle.
        places: Where versions are kept; made where there is nothing.
        options: What the user allows.
        notify: Told what is built here and how far that is.

    Raises:
        BundleError: It is damaged, forged, hostile or unsigned, for another architecture or line, or older than what
            works.
        MissingPartError: No runtime for it is here.
        ParityError: A golden decision flipped.
        StorageError: The disk is full, or another process installs (it is named).
        TooSlowError: A model that was built here is too slow for the belt.
    """
    make_root(places)
    with installing(places):
        with switching(places):
            remove_leftovers(places, of_installs=True)
        with _opened(path, places, options) as bundle:
            _require_vouched(bundle, options)
            _require_expected(bundle.manifest, places, options)
            version, verified = _brought_in(bundle, places, options, notify)
        with switching(places, wait_s=SWITCH_WAIT_S):
            _remember(verified.signer, places, options)
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
        msg = f"cannot write {places.root}: {error.strerror or error}; {INSTEAD}"
        raise StorageError(msg) from error


@contextmanager
def _opened(path: Path, places: Places, options: InstallOptions) -> Iterator[OpenBundle]:
    """Open a bundle with the remembered key, which `--key` cannot override, else with the key given."""
    remembered = places.trusted_key if places.trusted_key.exists() and not options.allow_unsigned else None
    if remembered is None or options.key is None:
        with open_bundle(path, key=remembered or options.key) as bundle:
            yield bundle
        return
    given = public_pem(options.key)
    with open_bundle(path, key=remembered) as bundle:
        if bundle.signer.public != given:
            msg = (
                f"--key {options.key}: wanted the key that vouches for this bundle here (remembered in {remembered}), "
                f"got another one; remove {remembered} to trust another key"
            )
            raise BundleError(msg)
        yield bundle


def _remember(signer: Signer, places: Places, options: InstallOptions) -> None:
    """Keep the first key that was given, and the one that follows it once a bundle has brought the proof."""
    first = options.key is not None and not places.trusted_key.exists()
    if signer.public is not None and (first or signer.rotated):
        write_bytes(places.trusted_key, signer.public)


def _require_vouched(bundle: OpenBundle, options: InstallOptions) -> None:
    if not bundle.signer.trusted and not options.allow_unsigned:
        msg = (
            f"{bundle.signer.text}; give the public key of whoever makes your bundles with --key, "
            "or pass --allow-unsigned to install it whoever made it"
        )
        raise BundleError(msg)


def _require_expected(manifest: Manifest, places: Places, options: InstallOptions) -> None:
    """Refuse what is sound but would be a surprise: another line's bundle, or an older one than works now."""
    try:
        now = current_activation(places)
        before = None if now is None else manifest_of(places.versions / now.version)
    except BundleError:
        return  # it is damaged, and this install replaces it
    if before is None:
        return
    if (before.line, before.product) != (manifest.line, manifest.product) and not options.other_line:
        msg = (
            f"wanted a bundle for line {before.line}, product {before.product}, got one for line {manifest.line}, "
            f"product {manifest.product}; install the right one, or pass --other-line to change what is inspected here"
        )
        raise BundleError(msg)
    if manifest.number < before.number and not options.older:
        msg = (
            f"wanted a bundle with a number of at least {before.number}, got {manifest.number}: it is older than "
            f"{before.name}, which works now; use `beltline rollback` to go back, or pass --older to install it"
        )
        raise BundleError(msg)


def _brought_in(bundle: OpenBundle, places: Places, options: InstallOptions, notify: Notify) -> tuple[str, Verified]:
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
