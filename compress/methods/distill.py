"""Distillation: a smaller student learns from the labels and from the teacher at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ...inspection.packages import missing_package
from ..families import NetworkSettings
from ..fit_settings import Edge, FitSettings
from ..recipe import ModuleContext


class DistillWeights(BaseModel):
    """How much the teacher's word counts beside the labels (weight 1).

    Attributes:
        score: Of the softened score (Hinton et al. 2015, arXiv 1503.02531).
        heatmap: Of the softened heatmap: cell by cell, and as a distribution over the frame (CWD, arXiv 2011.13256).
        temperature: Softens both; 1 = as they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    score: float = Field(default=1.0, ge=0)
    heatmap: float = Field(default=1.0, ge=0)
    temperature: float = Field(default=2.0, gt=0, le=20)


class DistillStep(BaseModel):
    """Settings of one `distill` step.

    Attributes:
        network: The student.
        fit: How it is trained.
        teacher: The weights of the teacher's terms.
        input_size: The student's input `[height, width]`; None: the teacher's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    network: NetworkSettings = Field(default={"family": "plain"}, validate_default=True)
    fit: FitSettings = FitSettings()
    teacher: DistillWeights = DistillWeights()
    input_size: tuple[Edge, Edge] | None = None


@dataclass(frozen=True, slots=True)
class Distill:
    """The method `distill`."""

    name: str = "distill"
    works_on: Literal["module", "graph"] = "module"
    step_type: type[DistillStep] = DistillStep

    def missing(self) -> str | None:
        """Say whether torch is absent."""
        return missing_package("torch", "train")

    def apply(self, source: Path, step: DistillStep, context: ModuleContext) -> None:
        """Train the student; `source` gives the frame specification and the lineage, the weights start afresh."""
        from ..students import train_student

        train_student(source, step, context)


METHOD = Distill()
