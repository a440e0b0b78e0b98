"""2:4 sparsity: of every four neighbouring input channels two weights leave, then the teacher mends the rest.

The tensor cores of NVIDIA's GPUs from Ampere on (Jetson Orin and later) skip such zeros in float16 and int8; every
other runtime computes them like any number. The file stays as large as it was. Write it behind `distill` and `prune`,
which would undo it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ...inspection.base.packages import missing_package
from ..recipe import ModuleContext
from ..training.fit_settings import FitSettings
from .distill import DistillWeights


class SparsifyStep(BaseModel):
    """Settings of one `sparsify` step.

    Attributes:
        fit: Fine-tuning; what left stays out.
        teacher: The weights of the teacher's terms while fine-tuning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    fit: FitSettings = FitSettings(epochs=6, learning_rate=0.001)
    teacher: DistillWeights = DistillWeights()


@dataclass(frozen=True, slots=True)
class Sparsify:
    """The method `sparsify`."""

    name: str = "sparsify"
    works_on: Literal["module", "graph"] = "module"
    step_type: type[SparsifyStep] = SparsifyStep

    def missing(self) -> str | None:
        """Say whether torch is absent."""
        return missing_package("torch", "train")

    def apply(self, source: Path, step: SparsifyStep, context: ModuleContext) -> None:
        """Make the checkpoint's network 2:4 sparse and fine-tune what is left."""
        from ..sparsifying import sparsify_and_mend

        sparsify_and_mend(source, step, context)


METHOD = Sparsify()
