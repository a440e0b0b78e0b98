"""What may be written below `prune` in a recipe."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from ...recipe import StepSettings
from ...training.fit_settings import FitSettings, StepFit
from ...training.teacher_terms import DistillWeights

_USUAL_RATIO = 0.3


_HOW_MUCH = ("ratio", "macs", "engine_ms")


class PruneStep(StepSettings):
    """Settings of one `prune` step: how much leaves is either `ratio`, `macs` or `engine_ms`.

    Attributes:
        ratio: Share of channels to remove, in (0, 1), chosen over all layers together by group L2 norm
            (DepGraph, arXiv 2301.12900); 0.3 where none of the three is written.
        macs: Share of multiply-accumulates to keep at most, in (0, 1); channels leave bit by bit until it is
            reached.
        engine_ms: Milliseconds that the engine may take for a frame, on the first device of `target` and in the
            recipe's backend and precision (int8 where `quantize` follows): measured, not estimated. The widths that
            keep the most importance for that time are chosen with a latency table of the device.
        importance: What `engine_ms` takes for important. `taylor`: what the loss would lose; `norm`: large weights.
        round_to: Channels left are a multiple of this: 8 suits VNNI and tensor cores.
        fit: Fine-tuning.
        teacher: The weights of the teacher's terms while fine-tuning.
    """

    ratio: float | None = Field(default=None, gt=0, lt=1)
    macs: float | None = Field(default=None, gt=0, lt=1)
    engine_ms: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    importance: Literal["taylor", "norm"] = "taylor"
    round_to: int = Field(default=8, ge=1, le=64)
    fit: StepFit = FitSettings(epochs=6, learning_rate=0.001)
    teacher: DistillWeights = DistillWeights()

    @model_validator(mode="before")
    @classmethod
    def _one_way(cls, written: Any) -> Any:
        if not isinstance(written, dict):
            return written
        given = [name for name in _HOW_MUCH if written.get(name) is not None]
        if len(given) > 1:
            msg = f"{' and '.join(given)} both say how much leaves; keep one of them"
            raise ValueError(msg)
        return written if given else {**written, "ratio": _USUAL_RATIO}

    @property
    def wanted_ms(self) -> float | None:
        """`engine_ms`."""
        return self.engine_ms

    @property
    def training(self) -> FitSettings:
        """The fine-tuning."""
        return self.fit

    def trained_with(self, training: FitSettings) -> PruneStep:
        """Give the same step with another fine-tuning."""
        return self.model_copy(update={"fit": training})
