"""Structured pruning with torch-pruning's dependency graph, and the fine-tuning afterwards."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch_pruning
from torch import nn

from ....inspection.base.errors import RecipeError
from ....inspection.statistics.roc import auroc
from ...checkpoint import Checkpoint, load_checkpoint, require_reads_back, save_checkpoint
from ...networks.base.counting import macs_of
from ...networks.base.families import build_network
from ...networks.base.inspector import Inspector
from ...recipe import ModuleContext
from ...training.loop import History
from ...training.losses import Batch
from ...training.scores import batch_scores
from ..distill.students import fit_with_teacher
from .dependencies import bounded, example_of, pruned_module, traceable
from .settings import PruneStep
from .shown_batches import shown_batches
from .timed import narrowed_to_time
from .width_groups import Prunable, prunable

_STEPS = 50
_NORM_BATCHES = 16
_SECONDS = 300.0


def prune_and_fine_tune(source: Path, step: PruneStep, context: ModuleContext) -> History:
    """Prune a checkpoint's network, fine-tune it with the teacher and write the new checkpoint.

    Batch norms are measured anew before the fine-tuning, and after it where that does not lower val's AUROC.

    Raises:
        RecipeError: Nothing could be removed, or so much that no ratio does it; or the loss is no longer a number, and
            then what was trained until then stays in `context.partial`.
    """
    torch.manual_seed(context.seed)
    before = load_checkpoint(source).parameters
    pruned = _pruned(source, step, context)
    *older, asked = pruned.lineage
    if pruned.parameters == before:
        msg = f"prune: {asked} with channels in steps of {step.round_to} removes nothing; remove more or lower round_to"
        raise RecipeError(msg)
    require_reads_back(pruned, "prune")
    _measure_norms(pruned.inspector, step, context)
    history = fit_with_teacher("prune", pruned.inspector, step.fit, step.teacher, context, as_checkpoint=lambda: pruned)
    best = _with_better_norms(pruned.inspector, history.best_auroc, step, context)
    line = f"prune {asked}, {before} to {pruned.parameters} parameters, epoch {history.best_epoch} val AUROC {best:.4f}"
    save_checkpoint(context.target_file, replace(pruned, lineage=(*older, line)))
    return history


def _pruned(source: Path, step: PruneStep, context: ModuleContext) -> Checkpoint:
    """Prune in the way that the step says; the last line of the lineage says what was asked."""
    if step.engine_ms is not None:
        return narrowed_to_time(source, step, context)
    parent = load_checkpoint(source)
    found = prunable(parent.inspector, round_to=step.round_to)
    if found.left:
        context.notify(f"prune: left as they are: {found.sentence()}")
    if step.ratio is not None:
        prune_channels(parent.inspector, ratio=step.ratio, round_to=step.round_to, found=found)
        asked = f"{step.ratio:g} of channels"
    else:
        keep = prune_to_macs(parent.inspector, keep=step.macs or 1.0, round_to=step.round_to, found=found)
        asked = f"to {keep:.3f} of multiply-accumulates"
    return replace(parent, lineage=(*parent.lineage, asked))


def prune_channels(inspector: Inspector, *, ratio: float, round_to: int, found: Prunable | None = None) -> None:
    """Remove the `ratio` least important channels over all layers together, in place.

    Importance is the group L2 norm of DepGraph (Fang et al. 2023, arXiv 2301.12900). The layers that give the output
    keep their channels.

    Args:
        inspector: On the CPU.
        ratio: In (0, 1).
        round_to: Channels left are a multiple of this.
        found: What `prunable` gave for the two, where it was asked already.

    Raises:
        RecipeError: No layer can be pruned.
    """
    found = found or prunable(inspector, round_to=round_to)
    with _pruner(inspector, found, pruning_ratio=ratio, iterative_steps=1, round_to=round_to) as pruner:
        pruner.step()


@contextmanager
def _pruner(inspector: Inspector, found: Prunable, **options: Any) -> Iterator[Any]:
    """Give torch-pruning's pruner over all groups together; nothing is taken from what is left as it is."""
    module = pruned_module(inspector)
    heads = {each: each.num_heads for each in module.modules() if isinstance(each, nn.MultiheadAttention)}
    with bounded(_SECONDS), traceable(module):
        yield torch_pruning.pruner.BasePruner(
            module,
            example_of(inspector),
            importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
            ignored_layers=found.kept(),
            global_pruning=True,
            max_pruning_ratio=0.8,
            out_channel_groups=heads,
            **options,
        )


def prune_to_macs(inspector: Inspector, *, keep: float, round_to: int, found: Prunable | None = None) -> float:
    """Remove the least important channels bit by bit until few enough multiply-accumulates are left, in place.

    DepGraph's own way to a given speed-up: one fiftieth of the channels at a time, importance worked out anew after
    each; a layer that has lost four fifths of its channels loses no more.

    Args:
        inspector: On the CPU.
        keep: Share of multiply-accumulates to keep at most, in (0, 1).
        round_to: Channels left are a multiple of this.
        found: What `prunable` gave for the two, where it was asked already.

    Returns:
        The share that is left.

    Raises:
        RecipeError: It cannot be reached; the message says what can.
    """
    whole = _macs(inspector)
    found = found or prunable(inspector, round_to=round_to)
    with _pruner(inspector, found, pruning_ratio=1.0, iterative_steps=_STEPS, round_to=round_to) as pruner:
        for _ in range(_STEPS):
            pruner.step()
            if (left := _macs(inspector) / whole) <= keep:
                return left
    msg = (
        f"prune: macs {keep:g} cannot be reached, {left:.3g} is the least with channels in steps of {round_to}; "
        "raise macs, lower round_to, or distil into a smaller network"
    )
    raise RecipeError(msg)


def _measure_norms(inspector: Inspector, step: PruneStep, context: ModuleContext) -> None:
    batches = shown_batches(inspector, context.dataset, step.fit, count=_NORM_BATCHES, seed=context.seed)
    measure_norms(inspector, batches)


def _with_better_norms(inspector: Inspector, best: float, step: PruneStep, context: ModuleContext) -> float:
    """Measure the trained network's batch norms, in place, unless that lowers val's AUROC; gives the higher one."""
    trained = copy.deepcopy(inspector.state_dict())
    _measure_norms(inspector, step, context)
    val = context.dataset.of("val")
    scores = batch_scores(inspector, context.dataset, val, torch.device("cpu"))
    value = auroc(scores, np.array([sample.defective for sample in val]))
    if value >= best:
        return value
    inspector.load_state_dict(trained)
    return best


def _macs(inspector: Inspector) -> int:
    return macs_of(inspector.network, example_of(inspector))


@torch.no_grad()
def measure_norms(inspector: Inspector, batches: Iterable[Batch]) -> None:
    """Replace each batch norm's running mean and variance by the plain averages over batches, in place.

    Precise BatchNorm (Wu and Johnson 2021, arXiv 2105.07576): an exponential average forgets all but the last batches.
    A network without batch norms is left as it is.
    """
    norms = [module for module in inspector.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    inspector.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for the plain average
        norm.train()
    for batch in batches:
        inspector.network(batch.pixels)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    inspector.eval()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """A student's shape.

    Attributes:
        network: Description for `families.build_network`.
        input_size: `[height, width]`; None: the teacher's.
        ratio: Share of channels that will leave, in [0, 1); which ones is a guess yet, how many is not.
        round_to: Channels left are a multiple of this.
    """

    network: dict[str, Any]
    input_size: tuple[int, int] | None = None
    ratio: float = 0.0
    round_to: int = 8


def draw_student(teacher: Path, sketch: Sketch, target_file: Path, *, seed: int) -> None:
    """Write the checkpoint of an untrained student.

    Args:
        teacher: Its checkpoint gives the frame.
        sketch: What to build.
        target_file: Checkpoint to write.
        seed: Of its weights.

    Raises:
        RecipeError: Pruning as asked removes nothing or cannot be done.
    """
    torch.manual_seed(seed)
    frame = load_checkpoint(teacher).frame
    if sketch.input_size is not None:
        frame = replace(frame, height=sketch.input_size[0], width=sketch.input_size[1])
    inspector = Inspector(build_network(sketch.network, frame.planes, kinds=len(frame.kinds)), frame).eval()
    if sketch.ratio:
        prune_channels(inspector, ratio=sketch.ratio, round_to=sketch.round_to)
    lineage = ("an untrained sketch, to be timed",)
    save_checkpoint(target_file, Checkpoint(network=sketch.network, frame=frame, lineage=lineage, inspector=inspector))
