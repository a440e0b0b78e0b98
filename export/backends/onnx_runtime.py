"""ONNX Runtime on the CPU: runs the ONNX file as it is.

Threads are counted out (`intra_op_num_threads`), operators run one after another, and only the CPU provider is asked
for: a provider that falls back in silence would be measured under a wrong name.

A float16 graph with Q/DQ is opened without the optimizer that quantizes biases: it multiplies two float16 scales, and
the product has hardly a digit left (onnxruntime 1.31.1; on circuit boards it moved scores five times as far).
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from ...compress.graph_bytes import FLOAT16_KEY
from ...inspection.base.errors import GraphError, MissingPartError
from ...inspection.base.packages import missing_package
from ...inspection.data.frame import FrameSpec
from ...targets.target import Target
from ..artifacts import artifact_of, require_installed, require_intact, require_runs
from ..contracts import Artifact, Decision, Frame, Graph, Session
from ..frame_check import graph_inputs

_PROVIDERS = ["CPUExecutionProvider"]
_FATAL_ONLY = 4  # ort.SessionOptions.log_severity_level; errors are raised, once is enough
_OUTPUTS = ("score", "heatmap")
_LOSES_FLOAT16_SCALES = ["WeightBiasQuantization"]


class OnnxRuntime:
    """The backend; it keeps no state."""

    name = "onnx_runtime"
    packages = ("onnxruntime",)

    def missing(self) -> str | None:
        """Say what is not installed."""
        return missing_package("onnxruntime", "onnxruntime")

    def supports(self, target: Target) -> bool:  # noqa: ARG002 - the file is the same for every target
        """Whether the runtime is there: an ONNX file is built for no machine in particular."""
        return self.missing() is None

    def build(self, graph: Graph, target: Target, folder: Path) -> Artifact:
        """Copy the graph to `model.onnx` and try it once.

        Raises:
            GraphError: ONNX Runtime does not take the graph.
            MissingPartError: ONNX Runtime is not installed.
        """
        path = Path(shutil.copyfile(graph.path, folder / "model.onnx"))
        artifact = artifact_of(path, graph=graph, backend=self.name, target=target)
        require_runs(self, artifact)
        return artifact

    def load(self, artifact: Artifact, *, threads: int) -> Session:
        """Open the file with `threads` threads, the calling one among them.

        Raises:
            GraphError: The file was changed, or ONNX Runtime does not take it.
            MissingPartError: ONNX Runtime is not installed, or runs on another provider than asked.
        """
        require_installed(self)
        require_intact(artifact)
        return OnnxRuntimeSession(_opened(artifact.path, threads), artifact.frame)


class OnnxRuntimeSession:
    """An open ONNX Runtime session; the input is bound in place, without a copy.

    Attributes:
        runs_on: The providers that execute it, in order.
    """

    def __init__(self, engine: Any, spec: FrameSpec) -> None:
        self.runs_on = ", ".join(engine.get_providers())
        self._engine = engine
        self._binding = engine.io_binding()
        self._spec = spec
        self._outputs = (*_OUTPUTS, "kinds") if spec.kinds else _OUTPUTS

    def __enter__(self) -> Self:
        """Give the session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the engine."""
        self._binding = self._engine = None

    def infer(self, frame: Frame) -> Decision:
        """Decide on one frame.

        Raises:
            DataError: The frame is not what the model takes.
        """
        given = graph_inputs(frame, self._spec)
        for name, array in given.arrays.items():
            self._binding.bind_cpu_input(name, array)
        for output in self._outputs:
            self._binding.bind_output(output, "cpu")
        started_ns = time.perf_counter_ns()
        self._engine.run_with_iobinding(self._binding)
        ended_ns = time.perf_counter_ns()
        score, heatmap, *kinds = self._binding.copy_outputs_to_cpu()
        return Decision(
            score=given.judged(float(score)),
            heatmap=cast("NDArray[np.uint8]", heatmap),
            engine_start_ns=started_ns,
            engine_end_ns=ended_ns,
            alignment=given.alignment,
            aligned=given.aligned,
            kinds=cast("NDArray[np.uint8]", kinds[0]) if kinds else None,
        )


def _opened(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _FATAL_ONLY
    try:
        engine = onnxruntime.InferenceSession(str(path), options, providers=_PROVIDERS)
        if FLOAT16_KEY in engine.get_modelmeta().custom_metadata_map:
            engine = onnxruntime.InferenceSession(
                str(path), options, providers=_PROVIDERS, disabled_optimizers=_LOSES_FLOAT16_SCALES
            )
    except Exception as error:  # its errors share no base class but Exception
        msg = f"{path}: ONNX Runtime does not take it: {error}"
        raise GraphError(msg) from error
    if engine.get_providers() != _PROVIDERS:
        msg = f"onnx_runtime: wanted providers {_PROVIDERS}, got {engine.get_providers()}; reinstall onnxruntime"
        raise MissingPartError(msg)
    return engine


BACKEND = OnnxRuntime()
