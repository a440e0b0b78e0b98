"""What may be written below `quantize_aware` in a recipe."""

from __future__ import annotations

from ...recipe import StepSettings
from ...training.fit_settings import FitSettings
from ...training.teacher_terms import DistillWeights


class QuantizeAwareStep(StepSettings):
    """Settings of one `quantize_aware` step.

    Attributes:
        symmetric: Activations are rounded symmetrically around zero, as TensorRT does.
        fit: How the network is trained.
        teacher: The weights of the teacher's terms.
    """

    symmetric: bool = False
    fit: FitSettings = FitSettings(epochs=3, learning_rate=0.0005)
    teacher: DistillWeights = DistillWeights()

    @property
    def training(self) -> FitSettings:
        """The fine-tuning."""
        return self.fit

    def trained_with(self, training: FitSettings) -> QuantizeAwareStep:
        """Give the same step with another fine-tuning."""
        return self.model_copy(update={"fit": training})
