"""OpenVINO on the neural processor (NPU) of an Intel Core Ultra.

The NPU computes in float16 whatever the graph says (and in int8 where it is quantized): a float32 graph is float16
there, and is called so in every report. It takes frames of one size only. Compiled models are kept as the GPU's
kernels are.
"""

from __future__ import annotations

from pathlib import Path

from ...inspection.base.errors import GraphError
from ...inspection.base.packages import missing_package
from ...targets.target import Target
from ..artifacts import require_installed, require_intact
from ..contracts import Artifact, Graph, Precision, Session
from ..open_vino_engine import built_ir, missing_device, opened
from ..private_folder import compiled_code

_NODES = "accel/accel*"
_COMPUTED: dict[Precision, Precision] = {"fp32": "fp16", "fp16": "fp16", "int8": "int8"}


class OpenVinoNpu:
    """The backend; it keeps no state but compiled models."""

    name = "open_vino_npu"
    packages = ("openvino",)

    def missing(self) -> str | None:
        """Say what is not there: OpenVINO, an NPU, or its driver."""
        return missing_package("openvino", "openvino") or missing_device("NPU", _NODES)

    def supports(self, target: Target) -> bool:  # noqa: ARG002 - the IR is the same for every target
        """Whether this machine has the NPU: a model is tried before it is handed over."""
        return self.missing() is None

    def build(self, graph: Graph, target: Target, folder: Path) -> Artifact:
        """Convert the graph with the input's size fixed, and try it once.

        Raises:
            GraphError: OpenVINO does not take the graph, or frames have more sizes than one.
            MissingPartError: OpenVINO or the NPU is not there.
        """
        require_installed(self)
        require_one_size(graph)
        return built_ir(self, graph, target=target, folder=folder, precision=_COMPUTED[graph.precision])

    def load(self, artifact: Artifact, *, threads: int) -> Session:
        """Compile the model with `threads` threads, or take what was compiled before.

        Raises:
            GraphError: A file was changed, or the NPU does not take it.
            MissingPartError: OpenVINO or the NPU is not there, or the model executes elsewhere.
            StorageError: The folder for compiled models can be written to by others.
        """
        require_installed(self)
        require_intact(artifact)
        options = npu_options(threads=threads, kept=compiled_code("open_vino"))
        return opened(artifact.path, artifact.frame, kind="NPU", options=options)


def require_one_size(graph: Graph) -> None:
    """Refuse a graph whose frames differ in size.

    Raises:
        GraphError: They do.
    """
    frame = graph.frame.in_graph
    if frame.frame_height is None or frame.frame_width is None:
        msg = (
            f"{graph.path}: the NPU takes frames of one size only, this model takes any; give all frames one size "
            "and train again, or write backend: open_vino_gpu"
        )
        raise GraphError(msg)


def npu_options(*, threads: int, kept: Path) -> dict[str, str]:
    """Give the settings that a model is compiled with: one request at a time.

    Args:
        threads: That compile the model; none of them works on frames.
        kept: Folder for compiled models.
    """
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f16",
        "COMPILATION_NUM_THREADS": str(threads),
        "CACHE_DIR": str(kept),
    }


BACKEND = OpenVinoNpu()
