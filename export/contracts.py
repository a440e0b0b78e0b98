"""What an exported model is, and what a backend has to offer to run one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from ..inspection.data.frame import FrameSpec
from ..targets.target import Target

Precision = Literal["fp32", "fp16", "int8"]
Frame = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """An exported inspector: ONNX with input `frame`, where it compares `reference`, and outputs `score` and `heatmap`.

    `frame` is uint8 `[height, width, channels]`, `reference` uint8 `[height, width, channels + 1]` (moved onto the
    frame; the last channel is 255 where there is one, else 0), `score` a float32 scalar in [0, 1], `heatmap` uint8
    `[input height / stride, input width / stride]`. Resize, normalisation, sigmoid and pooling are in the graph.

    Attributes:
        path: The ONNX file; weights inside it, no external data.
        digest: `sha256:<hex>` of that file.
        frame: How the graph treats camera frames.
        precision: Of the weighted layers.
        checkpoint: The checkpoint it was exported from, or None (a user's ONNX, or a graph step changed the numbers).
        lineage: One line per step that made it, oldest first; empty where the file does not say.
    """

    path: Path
    digest: str
    frame: FrameSpec
    precision: Precision
    checkpoint: Path | None = None
    lineage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A model as one backend runs it.

    Attributes:
        path: Main file (`model.xml`, `model.onnx`, `model.safetensors`); files beside it may belong to it.
        digest: `sha256:<hex>` over all its files.
        backend: Name of the backend that built it.
        precision: Of the weighted layers.
        size_bytes: What a device must store to run it: weights and graph.
        frame: How the model treats camera frames.
        built_for: Name of the target.
        lineage: One line per step that made it, oldest first; empty where that is not known.
    """

    path: Path
    digest: str
    backend: str
    precision: Precision
    size_bytes: int
    frame: FrameSpec
    built_for: str
    lineage: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form that `from_json` reads; the path is written as text."""
        plain = {"path": str(self.path), "frame": self.frame.to_json(), "lineage": list(self.lineage)}
        return {**asdict(self), **plain}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Artifact:
        """Read what `to_json` wrote."""
        rebuilt = {
            "path": Path(value["path"]),
            "frame": FrameSpec.from_json(value["frame"]),
            "lineage": tuple(str(line) for line in value.get("lineage", ())),
        }
        return cls(**{**value, **rebuilt})

    def moved_to(self, path: Path) -> Artifact:
        """Give the same artifact at another place."""
        return replace(self, path=path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a session says of one frame, and when its engine worked on it.

    Attributes:
        score: How sure the model is that the part is defective, in [0, 1].
        heatmap: uint8 `[rows, columns]`, 255 = surely defective there; owned by the caller.
        engine_start_ns: Monotonic time (`time.perf_counter_ns`) when the engine was started: pre-processing ends here.
        engine_end_ns: Monotonic time when its results were complete: post-processing starts here.
        alignment: How surely the reference was moved onto the frame, in [0, 1]; None: nothing was compared.
        aligned: False: the reference could not be moved onto the frame; the score is then 1, the safe side.
        kinds: uint8 `[kinds, rows, columns]`, the heatmap shared out among the kinds of defect; owned by the caller.
            None: the model tells none apart.
    """

    score: float
    heatmap: NDArray[np.uint8]
    engine_start_ns: int
    engine_end_ns: int
    alignment: float | None = None
    aligned: bool = True
    kinds: NDArray[np.uint8] | None = None


class Session(Protocol):
    """A loaded artifact; a context manager that frees the engine on exit. Not thread-safe. See also `NamesDevice`."""

    def __enter__(self) -> Self:
        """Take the engine."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the engine."""
        ...

    def infer(self, frame: Frame) -> Decision:
        """Decide on one frame, uint8 `[height, width, channels]`, C-contiguous; returns when all work is done.

        Where the model compares, the frame above its reference as it was photographed, `[2 * height, width, channels]`:
        `frame_check.graph_inputs` moves the one onto the other.

        Raises:
            DataError: The frame's shape or type is not what the model takes.
        """
        ...


@runtime_checkable
class NamesDevice(Protocol):
    """What a session offers besides where its runtime says what executes it."""

    @property
    def runs_on(self) -> str:
        """The device or provider, as the runtime calls it."""
        ...


def executing_device(session: Session) -> str | None:
    """Name the device or provider that executes a session; None where its runtime does not say."""
    return session.runs_on if isinstance(session, NamesDevice) else None


class Backend(Protocol):
    """A runtime. One file in `export/backends/` each, with the constant `BACKEND`.

    What some offer besides: `RunsCheckpoint`, `BuildsOnDevice`.
    """

    @property
    def name(self) -> str:
        """As written in line.yaml and report.json, such as `open_vino`."""
        ...

    @property
    def packages(self) -> tuple[str, ...]:
        """Distributions that decide results and times, such as `openvino`; every fingerprint notes their versions."""
        ...

    def missing(self) -> str | None:
        """Say what is not installed and the command that installs it, or None where all is there."""
        ...

    def supports(self, target: Target) -> bool:
        """Whether this machine can build for the target."""
        ...

    def build(self, graph: Graph, target: Target, folder: Path) -> Artifact:
        """Write the runnable form into an existing, empty folder.

        Raises:
            GraphError: The runtime does not take the graph; the message holds the runtime's own words.
        """
        ...

    def load(self, artifact: Artifact, *, threads: int) -> Session:
        """Open an artifact with that many engine threads."""
        ...


@runtime_checkable
class RunsCheckpoint(Protocol):
    """What marks a backend that runs the checkpoint behind a graph, and so never sees what was done to the graph."""

    @property
    def runs_checkpoint(self) -> Literal[True]:
        """Always True."""
        ...


@runtime_checkable
class BuildsOnDevice(Protocol):
    """What a backend offers besides where its artifacts are made into what runs on the device itself."""

    def prepare(self, artifact: Artifact, *, notify: Callable[[str], None]) -> None:
        """Build ahead of `load`; `notify` is called with the progress.

        Raises:
            GraphError: The runtime does not take the model.
        """
        ...
