"""Structured pruning with torch-pruning's dependency graph, and the mending afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch_pruning
from torch import nn

from ..inspection.errors import RecipeError
from .checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from .counting import macs_of
from .inspector import Inspector
from .methods.prune import PruneStep
from .recipe import ModuleContext
from .students import fit_with_teacher
from .training import History

_STEPS = 50


def prune_and_mend(source: Path, step: PruneStep, context: ModuleContext) -> History:
    """Prune a checkpoint's network, fine-tune it with the teacher and write the new checkpoint.

    Raises:
        RecipeError: Nothing could be removed, or so much that no ratio does it.
    """
    torch.manual_seed(context.seed)
    parent = load_checkpoint(source)
    before = parent.parameters
    if step.ratio is not None:
        prune_channels(parent.inspector, ratio=step.ratio, round_to=step.round_to)
        asked = f"{step.ratio:g} of channels"
    else:
        keep = prune_to_macs(parent.inspector, keep=step.macs or 1.0, round_to=step.round_to)
        asked = f"to {keep:.3f} of multiply-accumulates"
    if parent.parameters == before:
        msg = f"prune: {asked} with channels in steps of {step.round_to} removes nothing; remove more or lower round_to"
        raise RecipeError(msg)
    history = fit_with_teacher("prune", parent.inspector, step.fit, step.teacher, context)
    line = (
        f"prune {asked}, {before} to {parent.parameters} parameters, "
        f"epoch {history.best_epoch} val AUROC {history.best_auroc:.4f}"
    )
    save_checkpoint(
        context.target_file,
        Checkpoint(
            network=parent.network, frame=parent.frame, lineage=(*parent.lineage, line), inspector=parent.inspector
        ),
    )
    return history


def prune_channels(inspector: Inspector, *, ratio: float, round_to: int) -> None:
    """Remove the `ratio` least important channels over all layers together, in place.

    Importance is the group L2 norm of DepGraph (Fang et al. 2023, arXiv 2301.12900). The layer that gives the logits
    keeps its one channel, a last linear layer its classes.
    """
    _pruner(inspector, ratio=ratio, round_to=round_to, steps=1).step()


def prune_to_macs(inspector: Inspector, *, keep: float, round_to: int) -> float:
    """Remove the least important channels bit by bit until few enough multiply-accumulates are left, in place.

    DepGraph's own way to a given speed-up: one fiftieth of the channels at a time, importance worked out anew after
    each; a layer that has lost four fifths of its channels loses no more.

    Args:
        inspector: On the CPU.
        keep: Share of multiply-accumulates to keep at most, in (0, 1).
        round_to: Channels left are a multiple of this.

    Returns:
        The share that is left.

    Raises:
        RecipeError: It cannot be reached; the message says what can.
    """
    whole = _macs(inspector)
    pruner = _pruner(inspector, ratio=1.0, round_to=round_to, steps=_STEPS)
    for _ in range(_STEPS):
        pruner.step()
        if (left := _macs(inspector) / whole) <= keep:
            return left
    msg = (
        f"prune: macs {keep:g} cannot be reached, {left:.3g} is the least with channels in steps of {round_to}; "
        "raise macs, lower round_to, or distil into a smaller network"
    )
    raise RecipeError(msg)


def _pruner(inspector: Inspector, *, ratio: float, round_to: int, steps: int) -> Any:
    modules = list(inspector.network.modules())
    kept: list[nn.Module] = [each for each in modules if isinstance(each, nn.Conv2d) and each.out_channels == 1]
    kept += [each for each in modules if isinstance(each, nn.Linear)][-1:]
    return torch_pruning.pruner.BasePruner(
        inspector.network,
        _example(inspector),
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        global_pruning=True,
        pruning_ratio=ratio,
        max_pruning_ratio=0.8,
        iterative_steps=steps,
        round_to=round_to,
        ignored_layers=kept,
    )


def _macs(inspector: Inspector) -> int:
    return macs_of(inspector.network, _example(inspector))


def _example(inspector: Inspector) -> torch.Tensor:
    frame = inspector.frame
    return torch.zeros(1, frame.channels, frame.height, frame.width)
