"""What may be written below `sparsify` in a recipe."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from ...training.fit_settings import FitSettings
from ...training.teacher_terms import DistillWeights


class SparsifyStep(BaseModel):
    """Settings of one `sparsify` step.

    Attributes:
        fit: Fine-tuning; what left stays out.
        teacher: The weights of the teacher's terms while fine-tuning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    fit: FitSettings = FitSettings(epochs=6, learning_rate=0.001)
    teacher: DistillWeights = DistillWeights()
