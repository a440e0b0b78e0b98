"""Distillation: a smaller student learns from the labels and from the teacher at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from ...inspection.base.packages import missing_package
from ..distilling.teacher_terms import FeatureTerm, Ramps
from ..families import NetworkSettings
from ..later_keys import without_idle
from ..recipe import ModuleContext
from ..training.fit_settings import Edge, FitSettings

_NO_CLASSES = (
    "dkd (arXiv 2203.08679) needs more than two classes, an inspector has good and defective: its part between the "
    "other classes is then 0 and its part of the target class is the score term; write score: <alpha * temperature>"
)


class DistillWeights(BaseModel):
    """How much the teacher's word counts beside the labels (weight 1).

    Attributes:
        score: Of the softened score (Hinton et al. 2015, arXiv 1503.02531).
        heatmap: Of the softened heatmap: cell by cell, and as a distribution over the frame (CWD, arXiv 2011.13256).
        temperature: Softens both; 1 = as they are.
        features: Of the feature maps; None: they are not compared.
        ramps: How these weights change while training goes on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    score: float = Field(default=1.0, ge=0)
    heatmap: float = Field(default=1.0, ge=0)
    temperature: float = Field(default=2.0, gt=0, le=20)
    features: FeatureTerm | None = None
    ramps: Ramps = Ramps()

    @property
    def silent(self) -> bool:
        """Whether the teacher has nothing to say."""
        return self.score == self.heatmap == 0 and self.features is None

    @model_validator(mode="before")
    @classmethod
    def _refuse_classes(cls, written: Any) -> Any:
        if isinstance(written, dict) and "dkd" in written:
            raise ValueError(_NO_CLASSES)
        return written

    @model_serializer(mode="wrap")
    def _without_idle(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_idle(self, write, ("features", "ramps"))


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
