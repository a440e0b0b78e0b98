"""What may be written below `sparsify` in a recipe."""

from __future__ import annotations

from ...recipe import StepSettings
from ...training.fit_settings import FitSettings, StepFit
from ...training.teacher_terms import DistillWeights


class SparsifyStep(StepSettings):
    """Settings of one `sparsify` step.

    Attributes:
        fit: Fine-tuning; what left stays out.
        teacher: The weights of the teacher's terms while fine-tuning.
    """

    fit: StepFit = FitSettings(epochs=6, learning_rate=0.001)
    teacher: DistillWeights = DistillWeights()

    @property
    def training(self) -> FitSettings:
        """The fine-tuning."""
        return self.fit

    def trained_with(self, training: FitSettings) -> SparsifyStep:
        """Give the same step with another fine-tuning."""
        return self.model_copy(update={"fit": training})
