"""Structured pruning with torch-pruning's dependency graph, and the mending afterwards."""

from __future__ import annotations

from pathlib import Path

import torch
import torch_pruning
from torch import nn

from ..inspection.errors import RecipeError
from .checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from .inspector import Inspector
from .methods.prune import PruneStep
from .recipe import ModuleContext
from .students import fit_with_teacher
from .training import History


def prune_and_mend(source: Path, step: PruneStep, context: ModuleContext) -> History:
    """Prune a checkpoint's network, fine-tune it with the teacher and write the new checkpoint.

    Raises:
        RecipeError: Nothing could be removed.
    """
    torch.manual_seed(context.seed)
    parent = load_checkpoint(source)
    before = parent.parameters
    prune_channels(parent.inspector, ratio=step.ratio, round_to=step.round_to)
    if parent.parameters == before:
        msg = (
            f"prune: ratio {step.ratio:g} with channels in steps of {step.round_to} removes nothing; "
            "raise ratio or lower round_to"
        )
        raise RecipeError(msg)
    history = fit_with_teacher("prune", parent.inspector, step.fit, step.teacher, context)
    line = (
        f"prune {step.ratio:g} of channels, {before} to {parent.parameters} parameters, "
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
    keeps its one channel, a last linear layer its classes; no layer loses more than 80 %.
    """
    frame = inspector.frame
    example = torch.zeros(1, frame.channels, frame.height, frame.width)
    modules = list(inspector.network.modules())
    kept: list[nn.Module] = [each for each in modules if isinstance(each, nn.Conv2d) and each.out_channels == 1]
    kept += [each for each in modules if isinstance(each, nn.Linear)][-1:]
    pruner = torch_pruning.pruner.BasePruner(
        inspector.network,
        example,
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        global_pruning=True,
        pruning_ratio=ratio,
        max_pruning_ratio=0.8,
        round_to=round_to,
        ignored_layers=kept,
    )
    pruner.step()
