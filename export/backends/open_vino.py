"""OpenVINO on the CPU: the ONNX graph as OpenVINO's own IR (`model.xml` beside `model.bin`).

One request at a time, answered as soon as possible: latency hint, one stream, threads counted out. Numbers stay float32
(no silent bfloat16 on processors that have it), weights are not squeezed to float16 on saving. Pinning is off: the
process has its CPUs, and OpenVINO threads keep to them.
"""

from __future__ import annotations

from pathlib import Path

from ...inspection.base.packages import missing_package
from ...targets.target import Target
from ..artifacts import require_installed, require_intact
from ..contracts import Artifact, Graph, Session
from ..open_vino_engine import built_ir, opened


class OpenVino:
    """The backend; it keeps no state."""

    name = "open_vino"
    packages = ("openvino",)

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
        return built_ir(self, graph, target=target, folder=folder)

    def load(self, artifact: Artifact, *, threads: int) -> Session:
        """Compile the model for `threads` threads.

        Raises:
            GraphError: A file was changed, or OpenVINO does not take it.
            MissingPartError: OpenVINO is not installed.
        """
        require_installed(self)
        require_intact(artifact)
        return opened(artifact.path, artifact.frame, kind="CPU", options=latency_options(threads))


def latency_options(threads: int) -> dict[str, str]:
    """Give the settings that a model is compiled with: one request at a time, float32, threads counted out."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(threads),
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": "NO",
    }


BACKEND = OpenVino()
