"""What may be written below `distill` in a recipe."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from ...networks.base.families import NetworkSettings
from ...recipe import StepSettings
from ...training.fit_settings import Edge, FitSettings, StepFit
from ...training.teacher_terms import DistillWeights


class DistillStep(StepSettings):
    """Settings of one `distill` step.

    Attributes:
        network: The student.
        fit: How it is trained.
        teacher: The weights of the teacher's terms.
        input_size: The student's input `[height, width]`; None: the teacher's.
    """

    network: NetworkSettings = Field(default={"family": "plain"}, validate_default=True)
    fit: StepFit = FitSettings()
    teacher: DistillWeights = DistillWeights()
    input_size: tuple[Edge, Edge] | None = None

    @field_validator("network")
    @classmethod
    def _judges_by_its_heatmap(cls, network: dict[str, Any]) -> dict[str, Any]:
        if network.get("whole_frame"):
            msg = "wanted a student that judges by its heatmap, got whole_frame, which is a teacher's; drop it"
            raise ValueError(msg)
        return network

    @property
    def built_network(self) -> dict[str, Any]:
        """The student."""
        return self.network

    @property
    def training(self) -> FitSettings:
        """How the student is trained."""
        return self.fit

    def trained_with(self, training: FitSettings) -> DistillStep:
        """Give the same step with another training."""
        return self.model_copy(update={"fit": training})
