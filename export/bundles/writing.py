"""From models and their evidence to one file; the same inputs give the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ...inspection.base.storage import digest_of_file, write_chunks
from ...inspection.decision.judging import Judging
from ...inspection.line.gates import Gates
from ..artifacts import files_of
from ..contracts import Artifact, Frame
from .container import pack
from .golden import Golden, Reference, frame_bytes
from .manifest import (
    FORMAT,
    GOLDEN,
    LICENCE,
    MANIFEST,
    PACKED_FORMAT,
    PARTS_LIST,
    REFERENCE,
    REPORT,
    SIGNATURE,
    TRACE,
    BudgetFacts,
    DepthFacts,
    DeviceFacts,
    FileFacts,
    Manifest,
    ModelFacts,
    PackedFacts,
    canonical,
)
from .packing import packed
from .signing import sign
from .trace import Trace

_AT_ONCE = 4
"""Files coded side by side."""


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
        line: That it was made for; None: named as the run.
        product: That it inspects; None: named as the line.
        number: Ascending with every bundle of a product.
        expires: Day (ISO 8601) after which everyone is warned; None: never.
        beltline: Version that measured it.
        models: One for each runtime, the one to take first first.
        device: What they were measured on.
        budget: The belt they were measured for.
        gates: What was asked for.
        depth: How 16-bit photographs become 8 bits; None: there are none.
        cautions: What every reader must know.
        golden: Golden frames and what is expected of them.
        frames: Their pixels, in the same order.
        report: Content of report.json.
        licence: Its text.
        parts_list: Content of the software bill of materials.
        reference: Scores and appearance of good parts; None: a station cannot tell whether its parts drift away.
        trace: The run behind the verdict; None: it cannot be told whether it fits beside other inspectors.
        judging: Scale, zones and limits; None: the score alone decides.
        packed: Whether files that shrink by it are coded for the way; they are installed bit by bit as they were.
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
    trace: Trace | None = None
    judging: Judging | None = None
    packed: bool = True
    line: str | None = None
    product: str | None = None
    depth: DepthFacts | None = None
    number: int = 0
    expires: str | None = None


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
    coded = _coded(contents) if parts.packed else {}
    manifest = _manifest(parts, contents, coded)
    raw = canonical(manifest)
    head = {MANIFEST: raw} if key is None else {MANIFEST: raw, SIGNATURE: sign(raw, key)}
    travelling = {each.member: coded.get(each.path, contents[each.path]) for each in manifest.files}
    write_chunks(path, pack({**head, **travelling}))
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
    if parts.trace is not None:
        contents[TRACE] = canonical(parts.trace)
    for golden, frame in zip(parts.golden.frames, parts.frames, strict=True):
        contents[golden.file] = frame_bytes(frame)
    for model in parts.models:
        contents |= {f"{model.folder}/{path.name}": path for path in files_of(model.artifact.path)}
    return dict(sorted(contents.items()))


def _coded(contents: Mapping[str, bytes | Path]) -> dict[str, bytes]:
    """Code what shrinks by it; what is read before anything is unpacked stays as it is.

    The largest come first: a model that was coded for the report is still remembered then.
    """
    later = {name: content for name, content in contents.items() if name not in (GOLDEN, REFERENCE)}
    raw = {name: each if isinstance(each, bytes) else each.read_bytes() for name, each in later.items()}
    names = sorted(raw, key=lambda name: -len(raw[name]))
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # liblzma works outside the interpreter's lock
        found = dict(zip(names, pool.map(lambda name: packed(raw[name]), names), strict=True))
    return {name: coded for name in raw if (coded := found[name]) is not None}


def _manifest(parts: BundleParts, contents: Mapping[str, bytes | Path], coded: Mapping[str, bytes]) -> Manifest:
    return Manifest(
        format=PACKED_FORMAT if coded else FORMAT,
        name=parts.name,
        line=parts.line or parts.name,
        product=parts.product or parts.line or parts.name,
        number=parts.number,
        expires=parts.expires,
        beltline=parts.beltline,
        models=tuple(_model_facts(model) for model in parts.models),
        device=parts.device,
        budget=parts.budget,
        gates=parts.gates,
        depth=parts.depth,
        judging=parts.judging,
        cautions=parts.cautions,
        files=tuple(_file_facts(name, content, coded.get(name)) for name, content in contents.items()),
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


def _file_facts(name: str, content: bytes | Path, coded: bytes | None) -> FileFacts:
    on_the_way = None if coded is None else PackedFacts(size_bytes=len(coded), sha256=_sha256(coded))
    if isinstance(content, bytes):
        return FileFacts(path=name, size_bytes=len(content), sha256=_sha256(content), packed=on_the_way)
    digest = digest_of_file(content).removeprefix("sha256:")
    return FileFacts(path=name, size_bytes=content.stat().st_size, sha256=digest, packed=on_the_way)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
