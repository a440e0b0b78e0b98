"""From models and their evidence to one file; the same inputs give the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...inspection.gates import Gates
from ...inspection.storage import digest_of_file, write_chunks
from ..artifacts import files_of
from ..contracts import Artifact, Frame
from .container import pack
from .golden import Golden, frame_bytes
from .manifest import (
    FORMAT,
    GOLDEN,
    LICENCE,
    MANIFEST,
    PARTS_LIST,
    REFERENCE,
    REPORT,
    SIGNATURE,
    BudgetFacts,
    DeviceFacts,
    FileFacts,
    Manifest,
    ModelFacts,
    canonical,
)
from .reference import Reference
from .signing import sign


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleModel:
    """A row of the report that goes into a bundle.

    Attributes:
        row: Its name.
        artifact: What runs.
        threshold: Fitted on val for it.
        verdict: Its verdict in the report.
        relies_on: CPU instructions behind its measured speed.
        runtime: Versions of the packages that ran it.
    """

    row: str
    artifact: Artifact
    threshold: float
    verdict: str
    relies_on: tuple[str, ...]
    runtime: Mapping[str, str]

    @property
    def folder(self) -> str:
        """Where its files lie in the bundle."""
        return f"models/{self.artifact.backend}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleParts:
    """Everything that goes into a bundle.

    Attributes:
        name: Of the run.
        beltline: Version that measured it.
        models: One for each runtime, the one to take first first.
        device: What they were measured on.
        budget: The belt they were measured for.
        gates: What was asked for.
        cautions: What every reader must be told.
        golden: Golden frames and what is expected of them.
        frames: Their pixels, in the same order.
        report: Content of report.json.
        licence: Its text.
        parts_list: Content of the software bill of materials.
        reference: Scores and looks of good parts; None: a station cannot tell whether its parts drift away.
    """

    name: str
    beltline: str
    models: Sequence[BundleModel]
    device: DeviceFacts
    budget: BudgetFacts
    gates: Gates
    cautions: tuple[str, ...]
    golden: Golden
    frames: Sequence[Frame]
    report: bytes
    licence: bytes
    parts_list: bytes
    reference: Reference | None = None


def write_bundle(path: Path, parts: BundleParts, *, key: Path | None) -> Manifest:
    """Write a bundle, whole or not at all.

    Args:
        path: Such as `pcb-small-int8.beltline`; an older one is replaced.
        parts: What goes into it.
        key: Ed25519 private key (PEM) to sign it with; None: it stays unsigned.

    Raises:
        BundleError: It would be larger than a bundle may be, or the key is none.
        StorageError: The disk is full or the folder cannot be written.
    """
    contents = _contents(parts)
    manifest = _manifest(parts, contents)
    raw = canonical(manifest)
    head = {MANIFEST: raw} if key is None else {MANIFEST: raw, SIGNATURE: sign(raw, key)}
    write_chunks(path, pack({**head, **contents}))
    return manifest


def _contents(parts: BundleParts) -> dict[str, bytes | Path]:
    contents: dict[str, bytes | Path] = {
        GOLDEN: canonical(parts.golden),
        REPORT: parts.report,
        LICENCE: parts.licence,
        PARTS_LIST: parts.parts_list,
    }
    if parts.reference is not None:
        contents[REFERENCE] = canonical(parts.reference)
    for golden, frame in zip(parts.golden.frames, parts.frames, strict=True):
        contents[golden.file] = frame_bytes(frame)
    for model in parts.models:
        contents |= {f"{model.folder}/{path.name}": path for path in files_of(model.artifact.path)}
    return dict(sorted(contents.items()))


def _manifest(parts: BundleParts, contents: Mapping[str, bytes | Path]) -> Manifest:
    return Manifest(
        format=FORMAT,
        name=parts.name,
        beltline=parts.beltline,
        models=tuple(_model_facts(model) for model in parts.models),
        device=parts.device,
        budget=parts.budget,
        gates=parts.gates,
        cautions=parts.cautions,
        files=tuple(_file_facts(name, content) for name, content in contents.items()),
    )


def _model_facts(model: BundleModel) -> ModelFacts:
    artifact = model.artifact
    return ModelFacts.model_validate(
        {
            "row": model.row,
            "backend": artifact.backend,
            "precision": artifact.precision,
            "path": f"{model.folder}/{artifact.path.name}",
            "digest": artifact.digest,
            "size_bytes": artifact.size_bytes,
            "built_for": artifact.built_for,
            "frame": artifact.frame,
            "threshold": model.threshold,
            "verdict": model.verdict,
            "relies_on": model.relies_on,
            "runtime": dict(model.runtime),
        }
    )


def _file_facts(name: str, content: bytes | Path) -> FileFacts:
    if isinstance(content, bytes):
        return FileFacts(path=name, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    digest = digest_of_file(content).removeprefix("sha256:")
    return FileFacts(path=name, size_bytes=content.stat().st_size, sha256=digest)
