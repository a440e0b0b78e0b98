"""Artifacts on disk: which files belong together, what they weigh, and whether they are still what was built."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..inspection.base.errors import GraphError, MissingPartError
from ..inspection.base.plugins import plugins, provider
from ..inspection.base.storage import digest_of_file
from ..targets.fingerprint import BASE
from ..targets.target import Target
from .contracts import Artifact, Backend, BuildsOnDevice, Graph, RunsCheckpoint
from .sessions import open_session


def backends() -> Mapping[str, Backend]:
    """List every backend by name: the files in `export/backends` and those that other packages add."""
    return plugins("export.backends")


def backend_packages(name: str) -> tuple[str, ...]:
    """Name the distributions that decide a backend's results and times, and the one that brought the backend."""
    backend = backends()[name]
    return (*backend.packages, *provider("export.backends", backend))


def runtime_packages() -> tuple[str, ...]:
    """Name what measurements rest on, and what any backend runs on: all that a fingerprint notes the versions of."""
    return tuple(sorted({*BASE, *(package for name in backends() for package in backend_packages(name))}))


def runs_checkpoint(name: str) -> bool:
    """Whether a backend is a `RunsCheckpoint`."""
    return isinstance(backends()[name], RunsCheckpoint)


def built_where_it_runs(name: str) -> bool:
    """Whether a backend is a `BuildsOnDevice`."""
    return isinstance(backends().get(name), BuildsOnDevice)


def require_installed(backend: Backend) -> None:
    """Stop where a backend's packages are not there.

    Raises:
        MissingPartError: They are not; the message holds the command that installs them.
    """
    if (missing := backend.missing()) is not None:
        msg = f"backend {backend.name}: {missing}"
        raise MissingPartError(msg)


def artifact_of(path: Path, *, graph: Graph, backend: str, target: Target) -> Artifact:
    """Describe an artifact whose files have just been written.

    Args:
        path: Main file; the files of the same stem beside it belong to the artifact.
        graph: What it was built from.
        backend: Name of the backend that built it.
        target: What it was built for.
    """
    return Artifact(
        path=path,
        digest=digest_of_artifact(path),
        backend=backend,
        precision=graph.precision,
        size_bytes=sum(each.stat().st_size for each in files_of(path)),
        frame=graph.frame,
        built_for=target.name,
        lineage=graph.lineage,
    )


def files_of(path: Path) -> tuple[Path, ...]:
    """Give all files of an artifact, sorted by name: those beside its main file that share its stem.

    Raises:
        GraphError: The main file is not there.
    """
    if not path.is_file():
        msg = f"{path}: wanted an artifact's main file, got nothing; build it again"
        raise GraphError(msg)
    return tuple(sorted(each for each in path.parent.iterdir() if each.is_file() and each.stem == path.stem))


def digest_of_artifact(path: Path) -> str:
    """Give `sha256:<hex>` over the names and contents of an artifact's files.

    Raises:
        GraphError: The main file is not there.
    """
    digest = hashlib.sha256()
    for each in files_of(path):
        digest.update(f"{each.name} {digest_of_file(each)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def require_intact(artifact: Artifact) -> None:
    """Refuse an artifact whose files are not those that were built.

    Raises:
        GraphError: A file is missing, damaged, or another one.
    """
    found = digest_of_artifact(artifact.path)
    if found != artifact.digest:
        msg = f"{artifact.path}: wanted digest {artifact.digest}, got {found}; the file was changed: build it again"
        raise GraphError(msg)


def require_runs(backend: Backend, artifact: Artifact) -> None:
    """Open a new artifact and let it decide on one black frame: some refusals come only with the first frame.

    Raises:
        GraphError: The runtime does not take the model, or its decision is none.
        MissingPartError: The runtime is not installed.
    """
    spec = artifact.frame
    shape = spec.array_shape(spec.frame_height or spec.height, spec.frame_width or spec.width)
    frame = np.zeros(shape, dtype=np.uint8)
    with open_session(backend, artifact, threads=1) as session:
        try:
            decision = session.infer(frame)
        except RuntimeError as error:
            msg = f"{artifact.path}: {backend.name} opens it but cannot run it: {error}"
            raise GraphError(msg) from error
    if not 0.0 <= decision.score <= 1.0 or decision.heatmap.ndim != 2:
        got = f"score {decision.score} and heatmap {decision.heatmap.shape}"
        msg = f"{artifact.path}: wanted a score in [0, 1] and a heatmap [rows, columns] of a black frame, got {got}"
        raise GraphError(msg)
