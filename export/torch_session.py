"""What the backends that run a checkpoint in PyTorch have in common: the file they run, and the session."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

from ..inspection.base.errors import GraphError
from ..inspection.data.frame import FrameSpec
from ..targets.target import Target
from .artifacts import artifact_of, require_runs
from .contracts import Artifact, Backend, Decision, Frame, Graph
from .frame_check import graph_inputs


def build_checkpoint(backend: Backend, graph: Graph, target: Target, folder: Path) -> Artifact:
    """Copy the checkpoint that a graph was exported from to `model.safetensors`, and try it once.

    Raises:
        GraphError: The graph has no checkpoint.
        MissingPartError: A package of the backend is not installed.
        WeightsError: The checkpoint cannot be read.
    """
    if graph.checkpoint is None:
        msg = (
            f"{graph.path}: backend {backend.name} wanted a graph exported from a checkpoint, got one without "
            f"(a finished ONNX file, or its numbers were changed after export); use onnx_runtime or open_vino"
        )
        raise GraphError(msg)
    path = Path(shutil.copyfile(graph.checkpoint, folder / "model.safetensors"))
    artifact = artifact_of(path, graph=graph, backend=backend.name, target=target)
    require_runs(backend, artifact)
    return artifact


class TorchSession:
    """A network in memory. PyTorch's thread count belongs to the process: it is set on entry, put back on exit."""

    def __init__(self, inspect: Callable[..., tuple[Any, ...]], spec: FrameSpec, threads: int) -> None:
        """Take a function from uint8 tensors of frame, and reference, to those of score, heatmap, and kinds if any."""
        self._inspect: Any = inspect
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
        self._inspect = None

    def infer(self, frame: Frame) -> Decision:
        """Decide on one frame.

        Raises:
            DataError: The frame is not what the model takes.
        """
        import torch

        given = graph_inputs(frame, self._spec)
        with torch.inference_mode():
            tensors = [
                torch.from_numpy(each if each.flags.writeable else each.copy())  # torch warns of read-only
                for each in given.arrays.values()
            ]
            started_ns = time.perf_counter_ns()
            score, heatmap, *kinds = self._inspect(*tensors)
            ended_ns = time.perf_counter_ns()
            return Decision(
                score=given.judged(float(score)),
                heatmap=heatmap.numpy(),
                engine_start_ns=started_ns,
                engine_end_ns=ended_ns,
                alignment=given.alignment,
                aligned=given.aligned,
                kinds=kinds[0].numpy() if kinds else None,
            )
