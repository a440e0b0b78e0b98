"""Engines on disk: each belongs to one artifact and to what built it, and is believed only where both are the same.

An engine holds code for the GPU, so it is opened only if nobody but its owner (this user, or root) could have written
it. Engines never travel: bundles carry ONNX and recipe, and what a bundle might bring as an engine is not looked at.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...inspection.base.errors import StorageError
from ...inspection.base.storage import digest_of_json, write_chunks
from ...targets.kernel_files import l4t_release
from ..contracts import Artifact
from .building import build_engine
from .listening import Notify, joined
from .presence import Gpu, gpu
from .recipe import read_recipe

FOLDER = "engines"
_FORMAT = 1
_ROOT = 4  # of the parents of <root>/versions/<version>/models/tensor_rt/model.onnx
_HEADER_BYTES = 4096
_MAX_BYTES = 1 << 30
_OTHERS_MAY_WRITE = 0o022


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineMaker:
    """What built an engine: it runs on nothing else.

    Attributes:
        tensorrt: Version.
        gpu: Name of the GPU.
        compute: Its compute capability.
        multiprocessors: How many of its multiprocessors are on.
        jetson_linux: Release of Jetson Linux; None: no Jetson.
    """

    tensorrt: str
    gpu: str
    compute: str
    multiprocessors: int
    jetson_linux: str | None

    @property
    def digest(self) -> str:
        """Names it in file names: 12 hex digits."""
        return digest_of_json(asdict(self)).removeprefix("sha256:")[:12]

    @property
    def description(self) -> str:
        """Name it for people."""
        jetson = f", Jetson Linux {self.jetson_linux}" if self.jetson_linux else ""
        return f"TensorRT {self.tensorrt} on {self.gpu} (compute {self.compute}, {self.multiprocessors} SM){jetson}"


def maker_here(version: str, gpu: Gpu) -> EngineMaker:
    """Describe what would build an engine on this machine.

    Args:
        version: Of TensorRT.
        gpu: The GPU.
    """
    return EngineMaker(
        tensorrt=version,
        gpu=gpu.name,
        compute=gpu.compute,
        multiprocessors=gpu.multiprocessors,
        jetson_linux=l4t_release(),
    )


def stores_of(artifact: Artifact) -> tuple[Path, ...]:
    """Give the folders that may hold an artifact's engine, the one to keep it in first.

    Of an installed bundle that is `engines` beside `versions` in the station's root, so that whoever runs the station
    finds what `install` built; then, and for every other artifact, `$XDG_CACHE_HOME/beltline/engines` of this user
    (`~/.cache` where that is not set).
    """
    parents = artifact.path.resolve().parents
    installed = len(parents) > _ROOT and parents[_ROOT - 1].name == "versions" and _is_ours(parents[_ROOT])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "beltline" / FOLDER
    return (parents[_ROOT] / FOLDER, cache) if installed else (cache,)


def find_engine(stores: Sequence[Path], artifact: Artifact, maker: EngineMaker) -> bytes | None:
    """Find an artifact's engine, whole and by this maker; None: it has to be built."""
    for store in stores:
        engine = _read(store / _name(artifact, maker), artifact, maker)
        if engine is not None:
            return engine
    return None


def keep_engine(stores: Sequence[Path], artifact: Artifact, maker: EngineMaker, engine: bytes) -> Path | None:
    """Keep an engine in the first folder that can be written, and remove the artifact's older ones there.

    Returns:
        Its file; None where nothing can be written: then the next start builds it again.
    """
    header = {"format": _FORMAT, "artifact": artifact.digest, "maker": asdict(maker), "sha256": _sha256(engine)}
    for store in stores:
        path = store / _name(artifact, maker)
        try:
            write_chunks(path, (json.dumps(header, sort_keys=True).encode() + b"\n", engine))
        except StorageError:
            continue
        for old in store.glob(f"{_stem(artifact)}-*.engine"):
            if old != path:
                old.unlink(missing_ok=True)
        return path
    return None


def read_timing(stores: Sequence[Path], maker: EngineMaker) -> bytes:
    """Read what earlier builds of this maker measured; empty where there was none."""
    for store in stores:
        path = store / f"timing-{maker.digest}.cache"
        if _is_ours(path) and path.stat().st_size <= _MAX_BYTES:
            return path.read_bytes()
    return b""


def keep_timing(stores: Sequence[Path], maker: EngineMaker, timing: bytes) -> None:
    """Keep what a build measured, in the first folder that can be written."""
    for store in stores:
        try:
            write_chunks(store / f"timing-{maker.digest}.cache", (timing,))
        except StorageError:
            continue
        return


def remove_engines(store: Path, *, keep: Sequence[str]) -> None:
    """Remove the engines of all artifacts but some.

    Args:
        store: A folder of engines; may not be there.
        keep: Digests of the artifacts whose engines stay.
    """
    stems = {_stem_of(digest) for digest in keep}
    for path in store.glob("*.engine"):
        if path.name.partition("-")[0] not in stems:
            path.unlink(missing_ok=True)


def _read(path: Path, artifact: Artifact, maker: EngineMaker) -> bytes | None:
    """Read an engine; None where it is not there, not ours, damaged, or not this maker's."""
    if not _is_ours(path) or not _is_ours(path.parent) or path.stat().st_size > _MAX_BYTES:
        return None
    with path.open("rb") as stream:
        header = _header(stream.readline(_HEADER_BYTES))
        engine = stream.read()
    wanted = {"format": _FORMAT, "artifact": artifact.digest, "maker": asdict(maker), "sha256": _sha256(engine)}
    return engine if header == wanted else None


def _header(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _is_ours(path: Path) -> bool:
    """Whether something is there that only this user or root can have written."""
    try:
        facts = path.lstat()
    except OSError:
        return False
    return facts.st_uid in (0, os.geteuid()) and not facts.st_mode & _OTHERS_MAY_WRITE


def _name(artifact: Artifact, maker: EngineMaker) -> str:
    return f"{_stem(artifact)}-{maker.digest}.engine"


def _stem(artifact: Artifact) -> str:
    return _stem_of(artifact.digest)


def _stem_of(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def engine_for(trt: Any, artifact: Artifact, *, notify: Notify) -> bytes:
    """Give an artifact's engine for this TensorRT and GPU; built where it is not there, or something has changed.

    Args:
        trt: The module `tensorrt`.
        artifact: ONNX and recipe, intact.
        notify: Told when an engine is built, how far that is, and what came of it.

    Raises:
        GraphError: TensorRT does not take the model.
    """
    stores, maker = stores_of(artifact), maker_here(trt.__version__, gpu())
    kept = find_engine(stores, artifact, maker)
    if kept is not None:
        return kept
    recipe = read_recipe(artifact.path.with_suffix(".json"))
    notify(f"building the engine of {artifact.path.name} for {maker.description}: takes minutes on a small device")
    timing = read_timing(stores, maker)
    built = build_engine(trt, artifact.path, recipe, timing=timing, notify=notify)
    keep_timing(stores, maker, built.timing)
    path = keep_engine(stores, artifact, maker, built.engine)
    kept_description = (
        f"kept as {path}" if path else f"not kept, since neither of {', '.join(map(str, stores))} can be written"
    )
    notify(f"engine built in {built.seconds:.0f} s ({len(built.engine):,} bytes), {kept_description}")
    if built.warnings:
        notify(f"TensorRT warns: {joined(list(built.warnings))}")
    return built.engine
