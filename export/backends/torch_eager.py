"""PyTorch, operator by operator: the reference that every other backend is compared with. Runs on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ...inspection.base.packages import missing_package
from ...targets.target import Target
from ..artifacts import require_installed, require_intact
from ..contracts import Artifact, Graph, Session
from ..torch_session import TorchSession, build_checkpoint


class TorchEager:
    """The backend; it keeps no state."""

    name = "torch_eager"
    packages = ("torch",)
    runs_checkpoint: Literal[True] = True

    def missing(self) -> str | None:
        """Say what is not installed."""
        return missing_package("torch", "train")

    def supports(self, target: Target) -> bool:  # noqa: ARG002 - a checkpoint is the same for every target
        """Whether PyTorch is there: a checkpoint is built for no machine in particular."""
        return self.missing() is None

    def build(self, graph: Graph, target: Target, folder: Path) -> Artifact:
        """Copy the checkpoint that the graph was exported from; see `torch_session.build_checkpoint`."""
        return build_checkpoint(self, graph, target, folder)

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
        return TorchSession(inspector.to(memory_format=torch.channels_last), artifact.frame, threads)


BACKEND = TorchEager()
