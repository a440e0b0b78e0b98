"""`torch.compile` on the CPU: the teacher as PyTorch itself makes it fast, what many would stop at.

Inductor writes C++ for the network and compiles it, which takes tens of seconds the first time and a few after that
(of a teacher with a ResNet-18, on two busy cores: 28 s and 8 s); the first frames pay for it, and stand among the
cold ones. Weights are frozen into the code, as PyTorch's notes on inference on CPUs advise. Nothing falls back to
eager in silence: a network that cannot be compiled whole is refused.
"""

from __future__ import annotations

import os
import shutil
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, Literal

from ...inspection.base.packages import missing_package
from ...targets.target import Target
from ..artifacts import require_installed, require_intact
from ..contracts import Artifact, Graph, Session
from ..private_folder import private_folder
from ..torch_session import TorchSession, build_checkpoint

_CACHE = "TORCHINDUCTOR_CACHE_DIR"
_OPTIONS: dict[str, Any] = {"freezing": True, "compile_threads": 1}  # no helper processes beside a measurement


class TorchCompiled:
    """The backend; it keeps no state. Compiled code is kept between processes in a folder of this user alone."""

    name = "torch_compiled"
    packages = ("torch",)
    runs_checkpoint: Literal[True] = True

    def missing(self) -> str | None:
        """Say what is not installed: PyTorch, a C++ compiler, or Python's headers."""
        if (missing := missing_package("torch", "train")) is not None:
            return missing
        compiler = os.environ.get("CXX", "g++")
        if shutil.which(compiler) is None:
            return f"torch.compile needs a C++ compiler, and {compiler} is not there; run: apt-get install g++"
        if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
            return "torch.compile needs Python's headers; run: apt-get install python3-dev"
        return None

    def supports(self, target: Target) -> bool:  # noqa: ARG002 - a checkpoint is the same for every target
        """Whether PyTorch and a compiler are there: the code is compiled where it runs."""
        return self.missing() is None

    def build(self, graph: Graph, target: Target, folder: Path) -> Artifact:
        """Copy the checkpoint and compile it once; see `torch_session.build_checkpoint`."""
        return build_checkpoint(self, graph, target, folder)

    def load(self, artifact: Artifact, *, threads: int) -> Session:
        """Rebuild the network; it is compiled with the first frame, and again with the first of another size.

        Raises:
            GraphError: The file was changed.
            MissingPartError: PyTorch or a compiler is not installed.
            StorageError: The folder for compiled code belongs to somebody else.
            WeightsError: The checkpoint cannot be read.
        """
        require_installed(self)
        require_intact(artifact)
        os.environ.setdefault(_CACHE, str(_private_folder()))
        import torch

        from ...compress.checkpoint import load_checkpoint

        inspector = load_checkpoint(artifact.path).inspector.eval().to(memory_format=torch.channels_last)
        return TorchSession(torch.compile(inspector, fullgraph=True, options=_OPTIONS), artifact.frame, threads)


def _private_folder() -> Path:
    """Give the folder for compiled code, which is executed."""
    folder = Path(tempfile.gettempdir()) / f"beltline-{os.getuid()}.inductor"
    return private_folder(folder, otherwise=f"set {_CACHE} to one that is")


BACKEND = TorchCompiled()
