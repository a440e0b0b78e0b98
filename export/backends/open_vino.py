"""OpenVINO on the CPU: the ONNX graph as OpenVINO's own IR (`model.xml` beside `model.bin`).

One request at a time, answered as soon as possible: latency hint, one stream, threads counted out. Numbers stay float32
(no silent bfloat16 on processors that have it), weights are not squeezed to float16 on saving. Pinning is off: the
process has its CPUs, and OpenVINO threads keep to them.
"""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from typing_extensions import Self

from ...inspection.errors import GraphError
from ...inspection.frame import FrameSpec
from ...inspection.packages import missing_package
from ...targets.target import Target
from ..artifacts import artifact_of, require_installed, require_intact, require_runs
from ..contracts import Artifact, Decision, Frame, Graph, Session
from ..frame_check import require_frame


class OpenVino:
    """The backend; it keeps no state."""

    name = "open_vino"

    def missing(self) -> str | None:
        """Say what is not installed."""
        return missing_package("openvino", "openvino")

    def supports(self, target: Target) -> bool:  # noqa: ARG002 - the IR is the same for every target
        """Whether the runtime is there: an IR is built for no machine in particular."""
        return self.missing() is None

    def build(self, graph: Graph, target: Target, folder: Path) -> Artifact:
        """Convert the graph, with the input's size fixed where every frame has one size, and try it once.

        Raises:
            GraphError: OpenVINO does not take the graph.
            MissingPartError: OpenVINO is not installed.
        """
        require_installed(self)
        path = folder / "model.xml"
        _save(graph, path)
        artifact = artifact_of(path, graph=graph, backend=self.name, target=target)
        require_runs(self, artifact)
        return artifact

    def load(self, artifact: Artifact, *, threads: int) -> Session:
        """Compile the model for `threads` threads.

        Raises:
            GraphError: A file was changed, or OpenVINO does not take it.
            MissingPartError: OpenVINO is not installed.
        """
        require_installed(self)
        require_intact(artifact)
        return OpenVinoSession(_compiled(artifact.path, threads), artifact.frame)


class OpenVinoSession:
    """A compiled model with one request, used over and over."""

    def __init__(self, compiled: Any, spec: FrameSpec) -> None:
        self._compiled = compiled
        self._request = compiled.create_infer_request()
        self._spec = spec
        self._static = compiled.input("frame").partial_shape.is_static

    def __enter__(self) -> Self:
        """Give the session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the engine."""
        self._request = self._compiled = None

    def infer(self, frame: Frame) -> Decision:
        """Decide on one frame.

        Raises:
            DataError: The frame is not what the model takes.
        """
        require_frame(frame, self._spec)
        self._fill_input(frame)
        started_ns = time.perf_counter_ns()
        self._request.infer()
        ended_ns = time.perf_counter_ns()
        return Decision(
            score=float(self._request.get_tensor("score").data),
            heatmap=np.array(self._request.get_tensor("heatmap").data),
            engine_start_ns=started_ns,
            engine_end_ns=ended_ns,
        )

    def _fill_input(self, frame: Frame) -> None:
        """Copy into the request's own input tensor; where frames differ in size it takes the frame's shape first."""
        tensor = self._request.get_tensor("frame")
        if not self._static:
            tensor.shape = frame.shape
        tensor.data[:] = frame


def _save(graph: Graph, path: Path) -> None:
    import openvino

    height, width = graph.frame.frame_height, graph.frame.frame_width
    try:
        model = openvino.Core().read_model(graph.path)
        _simplify(model)
        if height is not None and width is not None:
            model.reshape([height, width, graph.frame.channels])
        openvino.save_model(model, path, compress_to_fp16=False)
    except RuntimeError as error:
        msg = f"{graph.path}: OpenVINO does not take it: {error}"
        raise GraphError(msg) from error


def _simplify(model: Any) -> None:
    """Fold what is constant and give the nodes that it makes steady names, in place.

    This halves `model.xml`. It is what `openvino.convert_model` runs, called by itself because that function also
    reports usage over the network. Made-up names count up over the process's life; numbered in graph order, the same
    graph gives the same bytes.
    """
    from openvino._offline_transformations import apply_moc_transformations

    named = {node.get_friendly_name() for node in model.get_ops() if node.get_friendly_name() != node.get_name()}
    apply_moc_transformations(model, cf=True, smart_reshape=False)
    for position, node in enumerate(model.get_ordered_ops()):
        if node.get_friendly_name() not in named:
            node.set_friendly_name(f"{node.get_type_name()}_{position}")


def latency_options(threads: int) -> dict[str, str]:
    """Give the settings that a model is compiled with: one request at a time, float32, threads counted out."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(threads),
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": "NO",
    }


def _compiled(path: Path, threads: int) -> Any:
    import openvino

    try:
        return openvino.Core().compile_model(path, "CPU", latency_options(threads))
    except RuntimeError as error:
        msg = f"{path}: OpenVINO does not take it: {error}"
        raise GraphError(msg) from error


BACKEND = OpenVino()
