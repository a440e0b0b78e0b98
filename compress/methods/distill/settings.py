"""What may be written below `distill` in a recipe."""

from __future__ import annotations

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
)

from ...networks.base.families import NetworkSettings
from ...training.fit_settings import Edge, FitSettings
from ...training.teacher_terms import DistillWeights


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
