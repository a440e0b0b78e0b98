"""Which version works: where versions lie, generations, and the one rename that switches between them."""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from ...export.bundles.proof import Proven, Speed
from ...export.bundles.reading import Unpacked, read_unpacked
from ...inspection.base.errors import BundleError, StorageError
from ...inspection.base.locking import locked
from ...inspection.base.storage import new_folder, sync, write_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The tree below one folder.

    Attributes:
        root: The folder.
    """

    root: Path

    @property
    def versions(self) -> Path:
        """Unpacked bundles, one folder each."""
        return self.root / "versions"

    @property
    def generations(self) -> Path:
        """What was put to work, by ascending number."""
        return self.root / "generations"

    @property
    def engines(self) -> Path:
        """Engines that were built here from the versions' models, see `export.tensor_rt.engine_store`."""
        return self.root / "engines"

    @property
    def current(self) -> Path:
        """The link that decides what works."""
        return self.root / "current"

    @property
    def trusted_key(self) -> Path:
        """Public key that bundles must be signed with; may not be there."""
        return self.root / "trusted.pub.pem"


def default_root() -> Path:
    """Give the folder that versions are kept in where none is named.

    `/opt/beltline` for root; for others `beltline` in `$XDG_DATA_HOME`, else in `~/.local/share`.
    """
    if os.geteuid() == 0:
        return Path("/opt/beltline")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "beltline"


Why = Literal["install", "rollback"]
INSTEAD = "choose another folder with --root"
SWITCH_WAIT_S = 30.0
"""So long a switch waits for another one, which takes milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """One generation: a version was put to work.

    Attributes:
        number: Ascending; the order in which versions were put to work, whatever the clock said.
        version: Folder below `versions/`.
        since: When, ISO 8601, UTC, by this machine's clock.
        why: What put it to work.
        previous: The generation to go back to; None: there is none.
        signer: Who vouches for the bundle, in words.
        self_test: What came of its golden frames just before.
        measured: How fast the models were that were built here.
    """

    number: int
    version: str
    since: str
    why: Why
    previous: int | None
    signer: str
    self_test: tuple[Proven, ...]
    measured: tuple[Speed, ...] = ()

    @property
    def name(self) -> str:
        """Of its folder below `generations/`."""
        return f"{self.number:06d}"


def installing(places: Places) -> AbstractContextManager[None]:
    """Keep other installs out, however long this one takes; a rollback may come in between.

    Raises:
        StorageError: Another process installs; it is named.
    """
    return locked(places.root, name="install.lock", instead=INSTEAD)


def switching(places: Places, *, wait_s: float = 0.0) -> AbstractContextManager[None]:
    """Keep everyone else from changing what works; for moments only: golden frames are run before.

    Raises:
        StorageError: Another process is at it after `wait_s`; it is named.
    """
    return locked(places.root, instead=INSTEAD, wait_s=wait_s)


def current_activation(places: Places) -> Activation | None:
    """Read what works now; None where nothing was installed.

    Raises:
        BundleError: Something is there that cannot be read.
    """
    try:
        name = places.current.readlink().name
    except FileNotFoundError:
        return None
    except OSError as error:
        msg = f"{places.current}: wanted a link to what works, got something else ({error.strerror}); move it away"
        raise BundleError(msg) from error
    return read_activation(places, int(name) if name.isdigit() else -1)


def read_activation(places: Places, number: int) -> Activation:
    """Read one generation.

    Raises:
        BundleError: It is not there, or damaged.
    """
    path = places.generations / f"{number:06d}" / "activation.json"
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        tests = tuple(Proven(**each) for each in value["self_test"])
        speeds = tuple(Speed(**each) for each in value.get("measured", ()))
        return Activation(**{**value, "self_test": tests, "measured": speeds})
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} cannot be read: {error}; install the bundle again"
        raise BundleError(msg) from error


def unpacked_of(places: Places, activation: Activation) -> Unpacked:
    """Give an activation's version, every file compared with its digest.

    Raises:
        BundleError: A file is missing or damaged.
    """
    return read_unpacked(places.versions / activation.version)


def earlier_activations(places: Places, activation: Activation) -> list[Activation]:
    """Follow what one could go back to, the latest first; ends where a generation is gone."""
    found: list[Activation] = []
    number = activation.previous
    while number is not None and number < (found[-1] if found else activation).number:
        try:
            found.append(read_activation(places, number))
        except BundleError:
            break
        number = found[-1].previous
    return found


def activate(
    places: Places,
    version: str,
    *,
    why: Why,
    previous: int | None,
    signer: str,
    self_test: tuple[Proven, ...],
    measured: tuple[Speed, ...] = (),
) -> Activation:
    """Put a whole version to work: a new generation, then one rename.

    Args:
        places: Locked by this process.
        version: A finished folder below `versions/`, synced.
        why: What puts it to work.
        previous: The generation to go back to later.
        signer: Who vouches for it.
        self_test: What came of it.
        measured: How fast its models are, those that were built here.

    Raises:
        StorageError: The disk is full or cannot be written; what worked before goes on.
    """
    activation = Activation(
        number=_last_number(places) + 1,
        version=version,
        since=datetime.now(tz=timezone.utc).isoformat(timespec="seconds"),
        why=why,
        previous=previous,
        signer=signer,
        self_test=self_test,
        measured=measured,
    )
    with new_folder(places.generations / activation.name) as folder:
        write_json(folder / "activation.json", asdict(activation))
        (folder / "bundle").symlink_to(Path("..", "..", "versions", version))
    _switch(places, Path("generations", activation.name))
    return activation


def _switch(places: Places, target: Path) -> None:
    temporary = places.root / f".current.{os.getpid()}.tmp"
    try:
        temporary.symlink_to(target)
        temporary.replace(places.current)
        sync(places.root)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        msg = f"cannot switch {places.current}: {error.strerror}; what worked before goes on working"
        raise StorageError(msg) from error


def _last_number(places: Places) -> int:
    names = (each.name for each in places.generations.iterdir()) if places.generations.is_dir() else ()
    return max((int(name) for name in names if name.isdigit()), default=0)
