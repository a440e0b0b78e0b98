"""What may be written below `quantize_aware` in a recipe."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from ...training.fit_settings import FitSettings
from ...training.teacher_terms import DistillWeights


class QuantizeAwareStep(BaseModel):
    """Settings of one `quantize_aware` step.

    Attributes:
        symmetric: Activations are rounded symmetrically around zero, as TensorRT does.
        fit: How the network is trained.
        teacher: The weights of the teacher's terms.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    symmetric: bool = False
    fit: FitSettings = FitSettings(epochs=3, learning_rate=0.0005)
    teacher: DistillWeights = DistillWeights()
