"""What may be written below `quantize` in a recipe."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from ...recipe import StepSettings

Scheme = Literal["open_vino", "onnx_runtime", "tensor_rt"]
Calibrator = Literal["min_max", "mean", "percentile", "histogram"]
NARROW = "weights in 7 bits, since sums of 8-bit ones overflow on x86 processors without VNNI"
"""What the lineage says of them."""


class QuantizeStep(StepSettings):
    """Settings of `quantize`.

    Attributes:
        scheme: Whose rules to follow; None: those of the recipe's backend, NNCF's where it has none of its own.
        frames: Training frames to calibrate with, spread evenly over those offered.
        calibrator: How activations get their range from what was seen. `min_max`: the extremes. `mean`: the mean of
            each frame's extremes (ONNX Runtime: their moving average). `percentile`: all but a share of the values.
            `histogram`: the range that rounds best, by squared error with NNCF, by KL divergence with ONNX Runtime.
        percentile: For `percentile`: percent of the values inside the range; with NNCF of each frame's.
        preset: NNCF only. `performance`: symmetric activations; `mixed`: asymmetric ones where they help, for networks
            with other activations than ReLU (about 4 % slower).
        bias_correction: NNCF only. Shift each bias by the mean error of its layer.
        reduce_range: 7-bit weights also where the line's own devices take 8, for a bundle that goes to x86 processors
            without VNNI as well.
        keep_escapes: Judge the int8 graph on val and leave the layers that move scores most in float, one after the
            other, until the escape gate holds there (or, where the float graph misses it, until nothing is lost).
        ranked_on: With `keep_escapes`: frames of val that layers are ranked on.
    """

    to_int8: ClassVar[bool] = True
    scheme: Scheme | None = None
    frames: int = Field(default=128, ge=1, le=10_000)
    calibrator: Calibrator = "min_max"
    percentile: float = Field(default=99.99, ge=90, lt=100)
    preset: Literal["performance", "mixed"] = "performance"
    bias_correction: bool = False
    reduce_range: bool = False
    keep_escapes: bool = False
    ranked_on: int = Field(default=200, ge=2, le=10_000)

    def made_for(self, weight_bits: int) -> dict[str, Any]:
        """Name the bits of weights where they are not 8."""
        return {"weight_bits": 7} if self.reduce_range or weight_bits < 8 else {}

    @property
    def judged(self) -> bool:
        """With `keep_escapes`."""
        return self.keep_escapes

    def unjudged(self) -> QuantizeStep:
        """Quantize every layer, whatever it costs."""
        return self.model_copy(update={"keep_escapes": False})

    @field_validator("percentile")
    @classmethod
    def _only_where_it_is_used(cls, value: float, others: ValidationInfo) -> float:
        """Refuse a percentile that nothing looks at."""
        if value != cls.model_fields["percentile"].default and others.data.get("calibrator") != "percentile":
            msg = "only the calibrator percentile looks at it; write calibrator: percentile, or drop it"
            raise ValueError(msg)
        return value
