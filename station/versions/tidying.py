"""What may be removed from the disk: what a killed install left, and on request versions that no one goes back to."""

from __future__ import annotations

import shutil
from pathlib import Path

from ...export.bundles.manifest import MANIFEST, Manifest, read_part
from ...export.tensor_rt.engine_store import remove_engines
from ...inspection.base.errors import BundleError, StorageError
from .activation import Activation, Places, current_activation, earlier_activations, installing, switching


def remove_leftovers(places: Places, *, of_installs: bool) -> None:
    """Remove temporary names that only a killed process leaves.

    Args:
        places: Locked by this process.
        of_installs: Those of half an install, too; whoever holds `installing` as well owns them.
    """
    folders = [places.root, places.generations]
    for folder in [*folders, *([places.versions, places.engines] if of_installs else [])]:
        for each in folder.iterdir() if folder.is_dir() else ():
            if each.name.startswith(".") and each.name.endswith(".tmp"):
                _remove(each)


def prune(places: Places, *, keep: int) -> tuple[str, ...]:
    """Remove versions that are neither at work nor among those one would go back to first.

    Args:
        places: Where versions are kept.
        keep: How many versions stay, the one at work included; >= 1.

    Returns:
        The versions removed, sorted.

    Raises:
        BundleError: `keep` is below 1, or nothing is installed.
        StorageError: Another process installs, or the disk cannot be written.
    """
    if keep < 1:
        msg = f"--keep must be at least 1 (the version at work), got {keep}"
        raise BundleError(msg)
    if not places.root.is_dir():
        msg = f"nothing is installed in {places.root}"
        raise BundleError(msg)
    with installing(places), switching(places):
        remove_leftovers(places, of_installs=True)
        kept = _kept(places, keep)
        versions = {each.version for each in kept}
        gone = sorted(each for each in places.versions.iterdir() if each.name not in versions)
        numbers = {each.name for each in kept}
        for folder in [*(each for each in places.generations.iterdir() if each.name not in numbers), *gone]:
            _remove_whole(folder)
        _remove_unused_engines(places)
        return tuple(each.name for each in gone)


def _remove_unused_engines(places: Places) -> None:
    """Remove engines of models that no version has any more; where a version cannot be read, none is removed."""
    try:
        raw = [(each / MANIFEST).read_bytes() for each in places.versions.iterdir()]
        manifests = [read_part(each, Manifest, name=MANIFEST) for each in raw]
    except (OSError, BundleError):
        return
    remove_engines(places.engines, keep=[model.digest for each in manifests for model in each.models])


def _kept(places: Places, keep: int) -> list[Activation]:
    """Give the generation at work and those before it, as far as they are of the versions that stay."""
    now = current_activation(places)
    if now is None:
        msg = f"nothing is installed in {places.root}"
        raise BundleError(msg)
    in_order = [now, *earlier_activations(places, now)]
    versions = list(dict.fromkeys(each.version for each in in_order))[:keep]
    return [each for each in in_order if each.version in versions]


def _remove_whole(folder: Path) -> None:
    """Take a folder's name away first: half a version must never be found under its name."""
    try:
        temporary = folder.rename(folder.with_name(f".{folder.name}.tmp"))
    except OSError as error:
        msg = f"cannot remove {folder}: {error.strerror}; check its permissions"
        raise StorageError(msg) from error
    _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
