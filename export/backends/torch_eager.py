"""PyTorch, operator by operator: the reference that every other backend is compared with. Runs on the CPU."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

from ...compress.packages import missing_package
from ...inspection.errors import GraphError
from ...inspection.frame import FrameSpec
from ...targets.target import Target
from ..artifacts import artifact_of, require_installed, require_intact, require_runs
from ..contracts import Artifact, Decision, Frame, Graph, Session
from ..frame_check import require_frame


class TorchEager:
    """The backend; it keeps no state."""

    name = "torch_eager"

    def missing(self) -> str | None:
        """Say what is not installed."""
        return missing_package("torch", "train")

    def supports(self, target: Target) -> bool:  # noqa: ARG002 - a checkpoint is the same for every target
        """Whether PyTorch is there: a checkpoint is built for no machine in particular."""
        return self.missing() is None

    def build(self, graph: Graph, target: Target, folder: Path) -> Artifact:
        """Copy the checkpoint that the graph was exported from to `model.safetensors`.

        Raises:
            GraphError: The graph has no checkpoint.
            MissingPartError: PyTorch is not installed.
            WeightsError: The checkpoint cannot be read.
        """
        if graph.checkpoint is None:
            msg = (
                f"{graph.path}: backend {self.name} wanted a graph exported from a checkpoint, got one without "
                f"(a finished ONNX file, or its numbers were changed after export); use onnx_runtime or open_vino"
            )
            raise GraphError(msg)
        path = Path(shutil.copyfile(graph.checkpoint, folder / "model.safetensors"))
        artifact = artifact_of(path, graph=graph, backend=self.name, target=target)
        require_runs(self, artifact)
        return artifact

    def load(self, artifact: Artifact, *, threads: int) -> Session:
        """Rebuild the network from the checkpoint.

        Raises:
            GraphError: The file was changed.
            MissingPartError: PyTorch is not installed.
            WeightsError: The checkpoint cannot be read.
        """
        require_installed(self)
        require_intact(artifact)
        import torch

        from ...compress.checkpoint import load_checkpoint

        inspector = load_checkpoint(artifact.path).inspector.eval()
        return TorchEagerSession(inspector.to(memory_format=torch.channels_last), artifact.frame, threads)


class TorchEagerSession:
    """A network in memory. PyTorch's thread count belongs to the process: it is set on entry, put back on exit."""

    def __init__(self, inspector: Any, spec: FrameSpec, threads: int) -> None:
        self._inspector = inspector
        self._spec = spec
        self._threads = threads
        self._threads_before = threads

    def __enter__(self) -> Self:
        """Take the threads."""
        import torch

        self._threads_before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the threads back and drop the network."""
        import torch

        torch.set_num_threads(self._threads_before)
        self._inspector = None

    def infer(self, frame: Frame) -> Decision:
        """Decide on one frame.

        Raises:
            DataError: The frame is not what the model takes.
        """
        import torch

        require_frame(frame, self._spec)
        with torch.inference_mode():
            tensor = torch.from_numpy(frame if frame.flags.writeable else frame.copy())  # torch warns of read-only
            started_ns = time.perf_counter_ns()
            score, heatmap = self._inspector(tensor)
            ended_ns = time.perf_counter_ns()
            return Decision(
                score=float(score), heatmap=heatmap.numpy(), engine_start_ns=started_ns, engine_end_ns=ended_ns
            )


BACKEND = TorchEager()
