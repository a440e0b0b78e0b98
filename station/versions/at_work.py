"""Which bundle is to work: a file, or what is installed; and where that is damaged, what worked before it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from ...export.bundles.fitness import expired
from ...export.bundles.manifest import Manifest, ModelFacts
from ...export.bundles.proof import runtime_missing
from ...export.bundles.reading import Unpacked, open_bundle
from ...inspection.base.errors import BundleError, MissingPartError, StationError
from ..frames import PixelRule
from ..settings import StationSettings
from .activation import Activation, Places, current_activation, default_root, earlier_activations, unpacked_of
from .admission import require_machine


@dataclass(frozen=True, slots=True, kw_only=True)
class AtWork:
    """A bundle to decide with.

    Attributes:
        version: Its name.
        generation: Of the installed version; None: it comes from a file.
        unpacked: Its files.
        model: The one of its models that runs here.
        deadline_ns: From frame to decision.
        cautions: What people must know: nobody vouches for it, or its day is over.
    """

    version: str
    generation: int | None
    unpacked: Unpacked
    model: ModelFacts
    deadline_ns: int
    cautions: tuple[str, ...] = ()


class BundleStore:
    """Where bundles are taken from: one file, or a folder with installed versions."""

    def __init__(self, settings: StationSettings) -> None:
        self._settings = settings
        self._kept = ExitStack()
        named = settings.bundle
        self._file = named if named is not None and not named.is_dir() else None
        self.places = Places(root=named or default_root())

    @property
    def changes(self) -> bool:
        """Whether another version may be installed while the station runs."""
        return self._file is None

    def candidates(self, *, uncommitted: int | None = None) -> list[Callable[[], AtWork]]:
        """Give what could work, the version that should first, then those before it; each is read when called.

        A call raises `BundleError` where its version is damaged, `MissingPartError` where its runtime is not here.

        Args:
            uncommitted: A generation that did not pass its trial: where it is installed it comes last.

        Raises:
            BundleError: Nothing is installed.
        """
        if self._file is not None:
            return [partial(self._from_file, self._file)]
        now = current_activation(self.places)
        if now is None:
            msg = f"nothing is installed in {self.places.root}; install a bundle, or name a bundle file"
            raise BundleError(msg)
        before = earlier_activations(self.places, now)
        in_order = [*before, now] if now.number == uncommitted else [now, *before]
        return [partial(self.installed, each) for each in in_order]

    def current(self) -> Activation | None:
        """Say what is installed to work; None for a bundle file.

        Raises:
            BundleError: Something is there that cannot be read.
        """
        return current_activation(self.places) if self.changes else None

    def installed(self, activation: Activation) -> AtWork:
        """Give an installed version, every file compared with its digest.

        Raises:
            BundleError: It is damaged.
            MissingPartError: Its runtime is not installed.
        """
        unpacked = unpacked_of(self.places, activation)
        return self._at_work(unpacked, version=activation.version, generation=activation.number)

    def close(self) -> None:
        """Remove what was unpacked for the time being."""
        self._kept.close()

    def _from_file(self, path: Path) -> AtWork:
        remembered = Places(root=default_root()).trusted_key
        key = self._settings.key or (remembered if remembered.exists() and not self._settings.allow_unsigned else None)
        with open_bundle(path, key=key) as bundle:
            if bundle.signer.key is None and not self._settings.allow_unsigned:
                msg = (
                    f"{path} is {bundle.signer.text}; sign it (beltline bundle --key), or say that it may work all the "
                    "same: --allow-unsigned, in station.yaml `allow_unsigned: true`, from a program allow_unsigned=True"
                )
                raise StationError(msg)
            cautions = () if bundle.signer.trusted else (f"{path}: {bundle.signer.text}",)
            require_machine(bundle, other_device=False)
            folder = Path(self._kept.enter_context(TemporaryDirectory(prefix="beltline-")))
            unpacked = bundle.unpack(folder)
        return self._at_work(unpacked, version=unpacked.manifest.version, generation=None, cautions=cautions)

    def _at_work(
        self, unpacked: Unpacked, *, version: str, generation: int | None, cautions: tuple[str, ...] = ()
    ) -> AtWork:
        deadline_ms = self._settings.deadline_ms or unpacked.manifest.budget.deadline_ms
        return AtWork(
            version=version,
            generation=generation,
            unpacked=unpacked,
            model=model_to_run(unpacked.manifest, row=self._settings.engine.row),
            deadline_ns=round(deadline_ms * 1e6),
            cautions=(*cautions, *expired(unpacked.manifest)),
        )


def pixels_of(work: AtWork) -> PixelRule:
    """Say how sources turn a camera's pixels into what a bundle's model takes."""
    depth = work.unpacked.manifest.depth
    frame = work.model.frame
    rule = PixelRule(channels=frame.frame_channels, bayer=frame.bayer)
    return rule if depth is None else replace(rule, bit_depth=depth.bit_depth, window=depth.window)


def model_to_run(manifest: Manifest, *, row: str | None) -> ModelFacts:
    """Choose a bundle's model.

    Args:
        manifest: Of the bundle.
        row: The one wanted; None: the first whose runtime is here.

    Raises:
        MissingPartError: Its runtime is not here.
        StationError: There is no such row.
    """
    wanted = [model for model in manifest.models if row in (None, model.row)]
    if not wanted:
        rows = ", ".join(model.row for model in manifest.models)
        msg = f"engine.row: wanted a row of {manifest.version} ({rows}), got {row!r}"
        raise StationError(msg)
    for model in wanted:
        if runtime_missing(model) is None:
            return model
    msg = f"model {wanted[0].row} runs on {wanted[0].backend}: {runtime_missing(wanted[0])}"
    raise MissingPartError(msg)
