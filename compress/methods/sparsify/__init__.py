"""2:4 sparsity: of every four neighbouring input channels two weights leave, then the teacher fine-tunes the rest.

The tensor cores of NVIDIA's GPUs from Ampere on (Jetson Orin and later) skip such zeros in float16 and int8; every
other runtime computes them like any number. The file stays as large as it was. Write it behind `distill` and `prune`,
which would undo it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ....inspection.base.packages import missing_package
from ...recipe import ModuleContext
from .settings import SparsifyStep


@dataclass(frozen=True, slots=True)
class Sparsify:
    """The method `sparsify`."""

    name: str = "sparsify"
    works_on: Literal["module", "graph"] = "module"
    step_type: type[SparsifyStep] = SparsifyStep
    packages: tuple[str, ...] = ("torch",)

    def missing(self) -> str | None:
        """Say whether torch is absent."""
        return missing_package("torch", "train")

    def apply(self, source: Path, step: SparsifyStep, context: ModuleContext) -> None:
        """Make the checkpoint's network 2:4 sparse and fine-tune what is left."""
        from .masked_training import sparsify_and_fine_tune

        sparsify_and_fine_tune(source, step, context)


METHOD = Sparsify()
