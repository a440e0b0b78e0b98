"""What a bundle must stand before it may work here: where it comes from, this machine, and its golden frames."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...export.artifacts import runtime_packages
from ...export.bundles.fitness import cautions_for, require_architecture
from ...export.bundles.manifest import Manifest
from ...export.bundles.proof import Proven, Speed
from ...export.bundles.reading import OpenBundle, Unpacked, open_bundle
from ...export.bundles.signing import Signer
from ...targets.fingerprint import fingerprint
from .self_test import Notify, self_test


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

    @property
    def text(self) -> str:
        """Say it to people, a fact a line."""
        facts = self.manifest
        lines = [
            f"{facts.version}: {model.row} on {model.backend}, {model.precision}, verdict {model.verdict}"
            for model in facts.models
        ]
        lines.append(f"line {facts.line}, product {facts.product}, number {facts.number}")
        lines.append(self.signer.text)
        lines += [f"caution: {sentence}" for sentence in self.cautions]
        lines += [
            f"self-test: {each.row} on {each.backend} decided all {each.frames} golden frames as when it was measured "
            f"(largest score difference {each.max_abs:.2g})"
            for each in self.proven
        ]
        lines += [f"measured here: {each.text}" for each in self.measured]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form that `--json` prints."""
        models = [model.model_dump(mode="json") for model in self.manifest.models]
        return {
            "version": self.manifest.version,
            "digest": self.manifest.digest,
            "name": self.manifest.name,
            "line": self.manifest.line,
            "product": self.manifest.product,
            "number": self.manifest.number,
            "expires": self.manifest.expires,
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


def ignore(_text: str) -> None:
    """Notify nobody."""


def verify_bundle(
    path: Path, *, key: Path | None = None, other_device: bool = False, notify: Notify = ignore
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
    bundle: OpenBundle, unpacked: Unpacked, machine: Mapping[str, Any], *, notify: Notify = ignore
) -> Verified:
    """Test an unpacked bundle in a process of its own; see `verify_bundle`."""
    tested = self_test(unpacked, notify=notify)
    return Verified(
        manifest=bundle.manifest,
        signer=bundle.signer,
        cautions=cautions_for(bundle.manifest, machine),
        proven=tested.proven,
        measured=tested.measured,
    )
