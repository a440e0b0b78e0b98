"""`quantize_aware`: the network gets used to 8 bits before it gets them (quantization-aware training, short).

Written before `quantize` where that alone costs escapes. Convolutions see their inputs and weights rounded as int8 will
round them while the teacher fine-tunes the network (Jacob et al. 2018, arXiv 1712.05877; gradients pass the rounding
straight through, Bengio et al. 2013, arXiv 1308.3432). What comes out is an ordinary float checkpoint, so that every
runtime's own scheme can quantize it afterwards; its ranges are calibrated then.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ....inspection.base.packages import missing_package
from ...recipe import ModuleContext
from .settings import QuantizeAwareStep


@dataclass(frozen=True, slots=True)
class QuantizeAware:
    """The method `quantize_aware`."""

    name: str = "quantize_aware"
    works_on: Literal["module", "graph"] = "module"
    step_type: type[QuantizeAwareStep] = QuantizeAwareStep
    packages: tuple[str, ...] = ("torch",)

    def missing(self) -> str | None:
        """Say whether torch is absent."""
        return missing_package("torch", "train")

    def apply(self, source: Path, step: QuantizeAwareStep, context: ModuleContext) -> None:
        """Train the checkpoint's network on with its convolutions rounded.

        Raises:
            RecipeError: The network has no convolutions, or the loss is no longer a number.
        """
        from .rounded_training import train_rounded

        train_rounded(source, step, context)


METHOD = QuantizeAware()
