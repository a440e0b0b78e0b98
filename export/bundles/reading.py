"""Bundles from anywhere: nothing of one is believed before its signature, nothing is run before its digests hold."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ...inspection.base.errors import BundleError, GraphError, StorageError
from ...inspection.base.storage import digest_of_file
from ..artifacts import require_intact
from ..contracts import Artifact
from .container import MAX_BYTES, Member, copy_member, read_member, read_members, require_apart
from .golden import Golden, Reference
from .manifest import GOLDEN, MANIFEST, MAX_JSON_BYTES, REFERENCE, SIGNATURE, TRACE, Manifest, ModelFacts, read_part
from .model_files import require_self_contained
from .packing import unpacking
from .signing import Signer, check_signature
from .trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBundle:
    """A bundle whose layout, manifest, signature and digests hold; nothing of it was run.

    Attributes:
        manifest: What it says of itself.
        signer: Who vouches for it.
        members: By name.
        stream: The open file: what was checked is what is unpacked.
    """

    manifest: Manifest
    signer: Signer
    members: Mapping[str, Member]
    stream: BinaryIO

    def unpack(self, folder: Path) -> Unpacked:
        """Write every file into an existing, empty folder; names cannot lead out of it.

        Raises:
            BundleError: The bundle changed while it was read, or a model takes weights from elsewhere.
            StorageError: The disk is full or cannot be written.
        """
        coded = {each.member: each for each in self.manifest.files if each.packed is not None}
        for name, member in self.members.items():
            chunks = copy_member(self.stream, member)
            if (each := coded.get(name)) is not None:
                chunks = unpacking(chunks, size_bytes=each.size_bytes, sha256=each.sha256, name=each.path)
            _write(folder / (name if each is None else each.path), chunks)
        unpacked = Unpacked(folder=folder, manifest=self.manifest)
        for model in self.manifest.models:
            unpacked.require_sound(model)
        return unpacked


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """A bundle's files in a folder.

    Attributes:
        folder: Holds `manifest.json` and the files it lists.
        manifest: What it says.
    """

    folder: Path
    manifest: Manifest

    def artifact(self, model: ModelFacts) -> Artifact:
        """Give a model as a backend loads it."""
        return Artifact(
            path=self.folder / model.path,
            digest=model.digest,
            backend=model.backend,
            precision=model.precision,
            size_bytes=model.size_bytes,
            frame=model.frame,
            built_for=model.built_for,
        )

    def golden(self) -> Golden:
        """Read what the golden frames are and what is expected of them."""
        return read_part((self.folder / GOLDEN).read_bytes(), Golden, name=GOLDEN)

    def reference(self) -> Reference | None:
        """Read the scores and looks of good parts; None where the bundle is older than they are."""
        path = self.folder / REFERENCE
        listed = any(each.path == REFERENCE for each in self.manifest.files)
        return read_part(path.read_bytes(), Reference, name=REFERENCE) if listed else None

    def trace(self) -> Trace | None:
        """Read the run behind its verdict; None: it was made without.

        Raises:
            BundleError: It is damaged.
        """
        listed = any(each.path == TRACE for each in self.manifest.files)
        return read_part((self.folder / TRACE).read_bytes(), Trace, name=TRACE) if listed else None

    def require_sound(self, model: ModelFacts) -> None:
        """Refuse a model that is not the one named, or that takes weights from elsewhere.

        Raises:
            BundleError: It is, or does.
        """
        require_self_contained(self.folder / model.path)
        try:
            require_intact(self.artifact(model))
        except GraphError as error:
            msg = f"model {model.row}: its files are not those that its digest names; do not use this bundle"
            raise BundleError(msg) from error


@contextmanager
def open_bundle(path: Path, *, key: Path | None = None) -> Iterator[OpenBundle]:
    """Open a bundle and check all that can be checked without running anything.

    Args:
        path: The file.
        key: Public key that must have signed it; None: an unsigned bundle is opened too, see `OpenBundle.signer`.

    Yields:
        The bundle; its file stays open until the block ends.

    Raises:
        BundleError: A byte is not what it must be; the message says what to do.
    """
    with _opened(path) as stream:
        try:
            yield _checked(stream, key)
        except BundleError as error:
            msg = f"{path}: {error}"
            raise BundleError(msg) from error


def manifest_of(folder: Path) -> Manifest:
    """Read the manifest of an unpacked bundle; its files are not looked at.

    Raises:
        BundleError: It is not there, or damaged.
    """
    try:
        return read_part((folder / MANIFEST).read_bytes(), Manifest, name=MANIFEST)
    except OSError as error:
        msg = f"{folder} is not whole: {error.strerror} ({error.filename}); install the bundle again"
        raise BundleError(msg) from error


def read_unpacked(folder: Path) -> Unpacked:
    """Read a folder that a bundle was unpacked into.

    Raises:
        BundleError: A file is missing, or is not the one that was unpacked.
    """
    try:
        manifest = manifest_of(folder)
        for each in manifest.files:
            found = digest_of_file(folder / each.path)
            if found != f"sha256:{each.sha256}":
                msg = f"{folder / each.path} is not the file that was installed; install the bundle again"
                raise BundleError(msg)
    except OSError as error:
        msg = f"{folder} is not whole: {error.strerror} ({error.filename}); install the bundle again"
        raise BundleError(msg) from error
    return Unpacked(folder=folder, manifest=manifest)


def _opened(path: Path) -> BinaryIO:
    try:
        stream = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}; name a bundle (*.beltline)"
        raise BundleError(msg) from error
    facts = os.fstat(stream.fileno())
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_BYTES:
        stream.close()
        msg = f"{path}: wanted a file of at most {MAX_BYTES} bytes, got {facts.st_size} bytes or no file at all"
        raise BundleError(msg)
    return stream


def _checked(stream: BinaryIO, key: Path | None) -> OpenBundle:
    members = {member.name: member for member in read_members(stream)}
    raw = _small(stream, members, MANIFEST)
    signature = _small(stream, members, SIGNATURE) if SIGNATURE in members else None
    signer = check_signature(raw, signature, key=key)
    manifest = read_part(raw, Manifest, name=MANIFEST)
    head = [MANIFEST] if signature is None else [MANIFEST, SIGNATURE]
    _require_listed(manifest, list(members.values()), head)
    read_part(_small(stream, members, GOLDEN), Golden, name=GOLDEN)
    if REFERENCE in members:
        read_part(_small(stream, members, REFERENCE), Reference, name=REFERENCE)
    return OpenBundle(manifest=manifest, signer=signer, members=members, stream=stream)


def _small(stream: BinaryIO, members: Mapping[str, Member], name: str) -> bytes:
    if name not in members or members[name].size_bytes > MAX_JSON_BYTES:
        msg = f"wanted a bundle with {name} of at most {MAX_JSON_BYTES} bytes, got none or more; do not use this file"
        raise BundleError(msg)
    return read_member(stream, members[name])


def _require_listed(manifest: Manifest, members: list[Member], head: list[str]) -> None:
    """What the manifest lists is what there is, in the same order; what is packed may not come out over another."""
    require_apart([*head, *(each.path for each in manifest.files)])
    if [member.name for member in members] != [*head, *(each.member for each in manifest.files)]:
        msg = "its files are not those that its manifest lists; do not use this bundle"
        raise BundleError(msg)
    for member, listed in zip(members[len(head) :], manifest.files, strict=True):
        facts = listed.packed or listed
        if (member.size_bytes, member.sha256) != (facts.size_bytes, facts.sha256):
            msg = f"{member.name} is not the file that the manifest names; do not use this bundle"
            raise BundleError(msg)


def _write(path: Path, chunks: Iterator[bytes]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as stream:
            stream.writelines(chunks)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror}; free some space or choose another folder"
        raise StorageError(msg) from error
