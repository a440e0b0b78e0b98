"""2:4 sparsity in torch: masks by magnitude, held through training, folded into the weights at the end.

Mishra et al. 2021, Accelerating Sparse Deep Neural Networks, arXiv 2104.08378: prune once by magnitude, then train
again with the masks fixed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ....inspection.base.errors import RecipeError
from ...checkpoint import Checkpoint, load_checkpoint, require_reads_back, save_checkpoint
from ...networks.base.inspector import Inspector
from ...recipe import ModuleContext
from ...training.loop import History
from ..distill.students import fit_with_teacher
from .settings import SparsifyStep

_GROUP = 4
_KEPT = 2
_NAMES_SHOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Masked:
    """What became of a network's layers.

    Attributes:
        layers: Names of those that are 2:4 sparse.
        left: Names of those that are not, with the reason, such as `stem.conv (1 input channel)`.
        fraction: Share of all layers' weights that lie in sparse ones, in (0, 1].
    """

    layers: tuple[str, ...]
    left: tuple[str, ...]
    fraction: float

    def sentence(self) -> str:
        """Give it in one line for the lineage."""
        named = ", ".join(self.left[:_NAMES_SHOWN])
        more = f" and {len(self.left) - _NAMES_SHOWN} more" if len(self.left) > _NAMES_SHOWN else ""
        rest = f"; dense: {named}{more}" if self.left else ""
        return f"{len(self.layers)} layers with {self.fraction:.1%} of all weights{rest}"


class _Mask(nn.Module):
    """A parametrization: the weight that is seen is the trained one times the mask, and so is its gradient."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        """Give the weight with zeros where the mask has none."""
        return weight * self.mask


def sparsify_and_fine_tune(source: Path, step: SparsifyStep, context: ModuleContext) -> History:
    """Make a checkpoint's network 2:4 sparse, fine-tune it with the teacher and write the new checkpoint.

    Raises:
        RecipeError: No layer can be made sparse, or the loss is no longer a number.
    """
    torch.manual_seed(context.seed)
    parent = load_checkpoint(source)
    require_reads_back(parent, "sparsify")
    masked = hold_masks(parent.inspector)

    def folded() -> Checkpoint:
        fold_masks(parent.inspector)
        return parent

    history = fit_with_teacher("sparsify", parent.inspector, step.fit, step.teacher, context, as_checkpoint=folded)
    line = f"sparsify 2:4, {masked.sentence()}, epoch {history.best_epoch} val AUROC {history.best_auroc:.4f}"
    save_checkpoint(context.target_file, replace(folded(), lineage=(*parent.lineage, line)))
    return history


def hold_masks(inspector: Inspector) -> Masked:
    """Mask all layers that can be sparse, in place: from now on their weights are 2:4 sparse whatever is trained.

    Raises:
        RecipeError: None can be.
    """
    layers, left = [], []
    within = total = 0
    for name, layer in inspector.network.named_modules():
        if not isinstance(layer, (nn.Conv2d, nn.Linear)):
            continue
        total += layer.weight.numel()
        if (why := _why_left(layer)) is not None:
            left.append(f"{name} ({why})")
            continue
        parametrize.register_parametrization(layer, "weight", _Mask(two_of_four(layer.weight.detach())))
        layers.append(name)
        within += layer.weight.numel()
    if not layers:
        msg = f"sparsify: wanted layers with a multiple of 4 input channels, got {', '.join(left)}; drop the step"
        raise RecipeError(msg)
    return Masked(layers=tuple(layers), left=tuple(left), fraction=within / total)


def fold_masks(inspector: Inspector) -> None:
    """Turn masked weights into plain ones that hold the zeros, in place."""
    for layer in inspector.network.modules():
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def two_of_four(weight: Tensor) -> Tensor:
    """Give the mask that keeps the two largest of every four consecutive input channels.

    Args:
        weight: `[outputs, inputs]` or `[outputs, inputs, rows, columns]`, inputs a multiple of 4.

    Returns:
        bool, of the weight's shape; exactly half of it is True.

    >>> two_of_four(torch.tensor([[3.0, -5.0, 1.0, 0.5]]))
    tensor([[ True,  True, False, False]])
    """
    last = weight.movedim(1, -1)
    quads = last.reshape(*last.shape[:-1], -1, _GROUP).abs()
    kept = torch.zeros_like(quads, dtype=torch.bool)
    kept.scatter_(-1, quads.topk(_KEPT, dim=-1).indices, value=True)
    return kept.reshape(last.shape).movedim(-1, 1).contiguous()


def _why_left(layer: nn.Conv2d | nn.Linear) -> str | None:
    """Say why a layer stays dense: its input channels do not come in fours, or it gives the logits."""
    channels = layer.weight.shape[1]
    if channels % _GROUP:
        return f"{channels} input channel{'s' if channels > 1 else ''}"
    return "it gives the logits" if layer.weight.shape[0] == 1 else None
