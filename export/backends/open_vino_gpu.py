"""OpenVINO on an Intel GPU, most often the processor's own.

One request at a time, one stream. Float32 graphs are computed in float32 (the plug-in's own default is float16), those
of the step `half` in float16. Kernels are compiled once and kept in a folder that only this user can write to: set
BELTLINE_CACHE where the home folder is not to be used. Where several GPUs are listed, the first is the processor's own.
"""

from __future__ import annotations

from pathlib import Path

from ...inspection.base.packages import missing_package
from ...targets.target import Target
from ..artifacts import require_installed, require_intact
from ..contracts import Artifact, Graph, Session
from ..open_vino_engine import built_ir, missing_device, opened
from ..private_folder import compiled_code

_NODES = "dri/renderD*"


class OpenVinoGpu:
    """The backend; it keeps no state but compiled kernels."""

    name = "open_vino_gpu"
    packages = ("openvino",)

    def missing(self) -> str | None:
        """Say what is not there: OpenVINO, a GPU, or its driver."""
        return missing_package("openvino", "openvino") or missing_device("GPU", _NODES)

    def supports(self, target: Target) -> bool:  # noqa: ARG002 - the IR is the same for every target
        """Whether this machine has the GPU: a model is tried before it is handed over."""
        return self.missing() is None

    def build(self, graph: Graph, target: Target, folder: Path) -> Artifact:
        """Convert the graph, with the input's size fixed where every frame has one size, and try it once.

        Raises:
            GraphError: OpenVINO does not take the graph.
            MissingPartError: OpenVINO or the GPU is not there.
        """
        require_installed(self)
        return built_ir(self, graph, target=target, folder=folder)

    def load(self, artifact: Artifact, *, threads: int) -> Session:
        """Compile the model with `threads` threads, or take the kernels that were compiled before.

        Raises:
            GraphError: A file was changed, or the GPU does not take it.
            MissingPartError: OpenVINO or the GPU is not there, or the model executes elsewhere.
            StorageError: The folder for kernels can be written to by others.
        """
        require_installed(self)
        require_intact(artifact)
        options = gpu_options(artifact, threads=threads, kept=compiled_code("open_vino"))
        return opened(artifact.path, artifact.frame, kind="GPU", options=options)


def gpu_options(artifact: Artifact, *, threads: int, kept: Path) -> dict[str, str]:
    """Give the settings that a model is compiled with.

    Args:
        artifact: Its precision decides what the GPU computes in.
        threads: That compile kernels; none of them works on frames.
        kept: Folder for compiled kernels.
    """
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_PRECISION_HINT": "f16" if artifact.precision == "fp16" else "f32",
        "COMPILATION_NUM_THREADS": str(threads),
        "CACHE_DIR": str(kept),
    }


BACKEND = OpenVinoGpu()
