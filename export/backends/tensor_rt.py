"""TensorRT on an NVIDIA GPU: what is built here is ONNX and a recipe; the engine is made where it runs.

An engine works with one TensorRT version on one kind of GPU only, so it cannot be shipped. The artifact is what can:
`model.onnx`, in the form that TensorRT takes, beside the frozen recipe `model.json`. The first `load` on a machine (or
`prepare`, which reports its progress) builds the engine and keeps it; it is built again when TensorRT, the GPU or
JetPack has changed.
"""

from __future__ import annotations

import logging
from pathlib import Path

from ...targets.target import Target
from ..artifacts import require_installed, require_intact, require_runs
from ..contracts import Artifact, Graph, Session
from ..tensor_rt.cuda import open_cuda
from ..tensor_rt.engine_store import engine_for
from ..tensor_rt.freezing import NAME, freeze
from ..tensor_rt.listening import Notify
from ..tensor_rt.presence import gpu, import_tensorrt, missing_parts
from ..tensor_rt.session import TensorRtSession

_LOG = logging.getLogger(__name__)


class TensorRt:
    """The backend; it keeps no state."""

    name = NAME
    packages = ("tensorrt",)

    def missing(self) -> str | None:
        """Say which of driver, GPU, library and CUDA's runtime is not here, and what to install on this JetPack."""
        return missing_parts()

    def supports(self, target: Target) -> bool:  # noqa: ARG002 - ONNX and recipe are the same for every target
        """Whether an engine can be built and run here."""
        return self.missing() is None

    def build(self, graph: Graph, target: Target, folder: Path) -> Artifact:
        """Freeze the graph and its recipe, then build the engine and try it once.

        Raises:
            GraphError: TensorRT does not take the graph; the message holds every error of its parser.
            MissingPartError: A part of TensorRT is not here.
        """
        require_installed(self)
        artifact = freeze(graph, target, folder)
        require_runs(self, artifact)
        return artifact

    def prepare(self, artifact: Artifact, *, notify: Notify) -> None:
        """Build the engine if it is not there already; `notify` is called with the progress.

        Raises:
            GraphError: The file was changed, or TensorRT does not take it.
            MissingPartError: A part of TensorRT is not here.
        """
        require_installed(self)
        require_intact(artifact)
        engine_for(import_tensorrt(), artifact, notify=notify)

    def load(self, artifact: Artifact, *, threads: int) -> Session:  # noqa: ARG002 - the GPU has threads of its own
        """Open the engine; where it is not there yet, or was made by another TensorRT, it is built first.

        Raises:
            GpuError: The GPU has no room for it.
            GraphError: The file was changed, or TensorRT does not take it.
            MissingPartError: A part of TensorRT is not here.
        """
        require_installed(self)
        require_intact(artifact)
        trt = import_tensorrt()
        engine = engine_for(trt, artifact, notify=_LOG.warning)
        return TensorRtSession(trt, engine, artifact.frame, open_cuda(gpu().driver))


BACKEND = TensorRt()
