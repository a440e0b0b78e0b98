"""Structured pruning: whole channels leave, along the dependency graph, then the teacher mends the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ..fit_settings import FitSettings
from ..packages import missing_package
from ..recipe import ModuleContext
from .distill import DistillWeights


class PruneStep(BaseModel):
    """Settings of one `prune` step.

    Attributes:
        ratio: Share of channels to remove, in (0, 1), chosen over all layers together by group L2 norm
            (DepGraph, arXiv 2301.12900).
        round_to: Channels left are a multiple of this: 8 suits VNNI and tensor cores.
        fit: Fine-tuning.
        teacher: The weights of the teacher's terms while fine-tuning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    ratio: float = Field(default=0.3, gt=0, lt=1)
    round_to: int = Field(default=8, ge=1, le=64)
    fit: FitSettings = FitSettings(epochs=6, learning_rate=0.001)
    teacher: DistillWeights = DistillWeights()


@dataclass(frozen=True, slots=True)
class Prune:
    """The method `prune`."""

    name: str = "prune"
    works_on: Literal["module", "graph"] = "module"
    step_type: type[PruneStep] = PruneStep

    def missing(self) -> str | None:
        """Say whether torch or torch-pruning is absent."""
        return missing_package("torch", "train") or missing_package("torch_pruning", "train")

    def apply(self, source: Path, step: PruneStep, context: ModuleContext) -> None:
        """Prune the checkpoint's network and fine-tune what is left."""
        from ..pruning import prune_and_mend

        prune_and_mend(source, step, context)


METHOD = Prune()
