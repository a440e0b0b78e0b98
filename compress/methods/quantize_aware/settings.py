"""What may be written below `quantize_aware` in a recipe."""

from __future__ import annotations

from typing import Any

from ...recipe import StepSettings
from ...training.fit_settings import FitSettings, StepFit
from ...training.teacher_terms import DistillWeights


class QuantizeAwareStep(StepSettings):
    """Settings of one `quantize_aware` step.

    Attributes:
        symmetric: Activations are rounded symmetrically around zero, as TensorRT does.
        fit: How the network is trained.
        teacher: The weights of the teacher's terms.
    """

    symmetric: bool = False
    fit: StepFit = FitSettings(epochs=3, learning_rate=0.0005)
    teacher: DistillWeights = DistillWeights()

    def made_for(self, weight_bits: int) -> dict[str, Any]:
        """Name the bits of weights where they are not 8."""
        return {"weight_bits": 7} if weight_bits < 8 else {}

    @property
    def training(self) -> FitSettings:
        """The fine-tuning."""
        return self.fit

    def trained_with(self, training: FitSettings) -> QuantizeAwareStep:
        """Give the same step with another fine-tuning."""
        return self.model_copy(update={"fit": training})
