"""What a bundle must stand before it may work here: where it comes from, this machine, and its golden frames."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...export.artifacts import backends, runtime_packages
from ...export.bundles.fitness import cautions_for, require_architecture
from ...export.bundles.manifest import Manifest
from ...export.bundles.proof import Proven, Speed, measure_models, prove_models, runtime_missing
from ...export.bundles.reading import OpenBundle, Unpacked, open_bundle
from ...export.bundles.signing import Signer
from ...export.contracts import BuildsOnDevice
from ...inspection.base.errors import BundleError, GraphError
from ...targets.fingerprint import fingerprint

Tell = Callable[[str], None]
"""Takes a line for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A bundle that holds on this machine.

    Attributes:
        manifest: What it says of itself.
        signer: Who vouches for it.
        cautions: What a reader must know, in plain sentences.
        proven: What came of its golden frames, for each runtime that is here.
        measured: How fast the models are that were built here.
    """

    manifest: Manifest
    signer: Signer
    cautions: tuple[str, ...]
    proven: tuple[Proven, ...]
    measured: tuple[Speed, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form that `--json` prints."""
        models = [model.model_dump(mode="json") for model in self.manifest.models]
        return {
            "version": self.manifest.version,
            "digest": self.manifest.digest,
            "name": self.manifest.name,
            "models": models,
            "device": self.manifest.device.model_dump(mode="json"),
            "signed_by": self.signer.key,
            "trusted": self.signer.trusted,
            "cautions": list(self.cautions),
            "self_test": [
                {"row": each.row, "backend": each.backend, "frames": each.frames, "max_abs": each.max_abs}
                for each in self.proven
            ],
            "measured": [asdict(each) for each in self.measured],
        }


def say_nothing(_text: str) -> None:
    """Tell nobody."""


def verify_bundle(
    path: Path, *, key: Path | None = None, other_device: bool = False, notify: Tell = say_nothing
) -> Verified:
    """Check a bundle from its signature to its decisions on this machine; nothing is left on the disk.

    Args:
        path: The file.
        key: Public key that must have signed it; None: see `Verified.signer`.
        other_device: Check it on another architecture than it was measured on, too.
        notify: Told what is built here and how far that is.

    Raises:
        BundleError: It is damaged, forged, hostile, or for another architecture.
        MissingPartError: No runtime for it is here.
        ParityError: A golden decision flipped.
        StorageError: There is no room to unpack it.
        TooSlowError: A model that was built here is too slow for the belt.
    """
    with open_bundle(path, key=key) as bundle:
        machine = require_machine(bundle, other_device=other_device)
        with tempfile.TemporaryDirectory(prefix="beltline-") as folder:
            return proven_in(bundle, bundle.unpack(Path(folder)), machine, notify=notify)


def require_machine(bundle: OpenBundle, *, other_device: bool) -> Mapping[str, Any]:
    """Give this machine's facts if the bundle may run on it.

    Raises:
        BundleError: It was measured on another architecture, and that is not wished for.
    """
    machine = fingerprint(runtime_packages())
    if not other_device:
        require_architecture(bundle.manifest, machine)
    return machine


def proven_in(
    bundle: OpenBundle, unpacked: Unpacked, machine: Mapping[str, Any], *, notify: Tell = say_nothing
) -> Verified:
    """Build what is built where it runs, run the golden frames, then measure; see `verify_bundle`."""
    threads = self_test_threads(unpacked.manifest)
    prepare_models(unpacked, notify=notify)
    proven = prove_models(unpacked, threads=threads)
    return Verified(
        manifest=bundle.manifest,
        signer=bundle.signer,
        cautions=cautions_for(bundle.manifest, machine),
        proven=proven,
        measured=measure_models(unpacked, threads=threads),
    )


def prepare_models(unpacked: Unpacked, *, notify: Tell) -> None:
    """Build what is built where it runs, as far as its runtime is here and it is not built already.

    Raises:
        BundleError: The runtime does not take a model.
    """
    for model in unpacked.manifest.models:
        backend = backends().get(model.backend)
        if isinstance(backend, BuildsOnDevice) and runtime_missing(model) is None:
            try:
                backend.prepare(unpacked.artifact(model), notify=notify)
            except GraphError as error:
                msg = f"model {model.row}: {error}"
                raise BundleError(msg) from error


def self_test_threads(manifest: Manifest) -> int:
    """As many threads as the models were measured with, as far as this process may use CPUs."""
    return min(manifest.device.threads, len(os.sched_getaffinity(0)))
