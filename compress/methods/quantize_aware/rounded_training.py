"""Training with int8's rounding in place: see `methods.quantize_aware`."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ....inspection.base.errors import RecipeError
from ...checkpoint import Checkpoint, load_checkpoint, require_reads_back, save_checkpoint
from ...networks.base.inspector import Inspector
from ...recipe import ModuleContext
from ...training.loop import History
from ..distill.students import fit_with_teacher
from ..quantize.settings import NARROW
from .settings import QuantizeAwareStep

_KEPT = 0.95
_LEAST = 1e-8


class Rounding(nn.Module):
    """Rounds activations to 256 levels over the range that training has shown; gradients pass straight through.

    Attributes:
        low: Smallest value, a running average of each batch's; at most 0.
        high: Largest value, likewise; at least 0.
    """

    low: Tensor
    high: Tensor

    def __init__(self, *, symmetric: bool) -> None:
        super().__init__()
        self.symmetric = symmetric
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))

    def forward(self, values: Tensor) -> Tensor:
        """Round float32 of any shape; in training the range follows the batch."""
        if self.training:
            self._follow(values.detach())
        if self.symmetric:
            scale = (torch.maximum(-self.low, self.high) / 127).clamp_min(_LEAST)
            return torch.fake_quantize_per_tensor_affine(values.float(), scale, _zero(scale), -127, 127)
        scale = ((self.high - self.low) / 255).clamp_min(_LEAST)
        zero = torch.round(-self.low / scale).clamp(0, 255).to(torch.int32)
        return torch.fake_quantize_per_tensor_affine(values.float(), scale, zero, 0, 255)

    @torch.no_grad()
    def _follow(self, values: Tensor) -> None:
        seen = values.float()
        low, high = seen.amin().clamp_max(0), seen.amax().clamp_min(0)
        kept = _KEPT if bool(self.high > self.low) else 0.0
        self.low.lerp_(low, 1 - kept)
        self.high.lerp_(high, 1 - kept)


class RoundedConv(nn.Conv2d):
    """A convolution between rounded inputs and rounded weights (int8 per output channel, symmetric; 7 or 8 bits of it).

    Its weight and bias have the names of the convolution that it stands for. A batch norm behind it scales whole
    channels, and so does not change how its weights are rounded once it is folded in.

    Attributes:
        rounding: Of its inputs.
        largest: Of the weights' integers: 127, or 63.
    """

    rounding: Rounding
    largest: int

    @classmethod
    def around(cls, conv: nn.Conv2d, *, symmetric: bool, weight_bits: int) -> RoundedConv:
        """Take over a convolution's parameters."""
        made = cls(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,  # type: ignore[arg-type]  # torch types them as tuples of any length
            stride=conv.stride,  # type: ignore[arg-type]
            padding=conv.padding,  # type: ignore[arg-type]
            dilation=conv.dilation,  # type: ignore[arg-type]
            groups=conv.groups,
            bias=conv.bias is not None,
            padding_mode=conv.padding_mode,
        )
        made.weight, made.bias = conv.weight, conv.bias
        made.rounding = Rounding(symmetric=symmetric)
        made.largest = 2 ** (weight_bits - 1) - 1
        return made

    def forward(self, values: Tensor) -> Tensor:
        """Convolve `[N, channels, h, w]`, in float32: 16-bit floats would round int8's levels once more."""
        largest = self.largest
        scale = (self.weight.detach().abs().amax(dim=(1, 2, 3)) / largest).clamp_min(_LEAST)
        weight = torch.fake_quantize_per_channel_affine(self.weight, scale, _zero(scale), 0, -largest, largest)
        with torch.autocast(values.device.type, enabled=False):
            found: Tensor = self._conv_forward(self.rounding(values), weight, self.bias)
        return found


def train_rounded(source: Path, step: QuantizeAwareStep, context: ModuleContext) -> History:
    """Train a checkpoint's network on with its convolutions rounded, and write it without the rounding.

    Raises:
        RecipeError: The network has no convolutions, or the loss is no longer a number.
    """
    torch.manual_seed(context.seed)
    checkpoint = load_checkpoint(source)
    require_reads_back(checkpoint, "quantize_aware")
    inspector = copy.deepcopy(checkpoint.inspector)
    rounded = with_rounding(inspector, symmetric=step.symmetric, weight_bits=context.weight_bits)

    def unrounded() -> Checkpoint:
        weights = rounded.state_dict()
        checkpoint.inspector.load_state_dict({name: weights[name] for name in checkpoint.inspector.state_dict()})
        return checkpoint

    history = fit_with_teacher("quantize_aware", rounded, step.fit, step.teacher, context, as_checkpoint=unrounded)
    narrow = f"; {NARROW}" if step.made_for(context.weight_bits) else ""
    line = f"quantize_aware epoch {history.best_epoch} val AUROC {history.best_auroc:.4f} rounded{narrow}"
    save_checkpoint(context.target_file, replace(unrounded(), lineage=(*checkpoint.lineage, line)))
    return history


def with_rounding(inspector: Inspector, *, symmetric: bool, weight_bits: int) -> Inspector:
    """Put a `RoundedConv` in the place of each plain convolution, in place.

    Raises:
        RecipeError: There is none.
    """
    places = [
        (parent, name, child)
        for parent in inspector.modules()
        for name, child in parent.named_children()
        if type(child) is nn.Conv2d
    ]
    if not places:
        msg = "quantize_aware: wanted a network with convolutions, got none; drop the step"
        raise RecipeError(msg)
    for parent, name, child in places:
        setattr(parent, name, RoundedConv.around(child, symmetric=symmetric, weight_bits=weight_bits))
    return inspector


def _zero(scale: Tensor) -> Tensor:
    return torch.zeros_like(scale, dtype=torch.int32)
