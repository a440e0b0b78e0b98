"""Pruning to a time: widths that the engine takes the asked milliseconds for, the built network measured."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch_pruning
from numpy.typing import NDArray

from ....inspection.base.errors import RecipeError
from ...checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from ...latency_table import LatencyTable
from ...networks.base.inspector import Inspector
from ...recipe import EngineTimer, ModuleContext
from ...training.losses import Batch, label_loss
from .choosing import Importance, choose_widths
from .dependencies import ChannelGroup, dependencies_of, traceable
from .settings import PruneStep
from .shown_batches import shown_batches
from .width_groups import narrow, network_shape, prunable

_BATCHES = 16
_CLOSE = 0.05
"""A built network this close to the asked time is not corrected, as a share of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """A narrowed network that was built and measured.

    Attributes:
        checkpoint: The network, not fine-tuned yet.
        predicted_ms: What the table predicts.
        built_ms: What it took.
    """

    checkpoint: Checkpoint
    predicted_ms: float
    built_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """What choosing widths goes by.

    Attributes:
        parent: The network that becomes narrower; never changed.
        table: Its latency table.
        importance: Of its channels.
        timer: Measures.
        folder: Where networks are written to be measured.
    """

    parent: Checkpoint
    table: LatencyTable
    importance: Importance
    timer: EngineTimer
    folder: Path


def narrowed_to_time(source: Path, step: PruneStep, context: ModuleContext) -> Checkpoint:
    """Make a checkpoint's network narrow enough for `step.engine_ms`; it is not fine-tuned yet.

    What was chosen is kept in `context.partial`: measured again, it might come out otherwise, and the training that was
    begun would not fit it.

    Returns:
        The narrow network; the last line of its lineage says what was asked, predicted and measured.

    Raises:
        RecipeError: There is no device to measure on, nothing has to leave, nothing can, or no width is fast enough.
    """
    kept = context.partial / "narrowed.safetensors"
    if kept.is_file():
        return load_checkpoint(kept)
    asked_ms = step.engine_ms or inf
    timer = _timer_of(context)
    full_ms = timer.engine_ms(source)
    if full_ms <= asked_ms:
        msg = (
            f"prune: engine_ms {asked_ms:g} is asked, the network takes {full_ms:.3g} as it is; "
            "drop the step, or ask for less"
        )
        raise RecipeError(msg)
    cut = _prepared(source, step, context, timer)
    trial = _corrected(cut, asked_ms)
    line = (
        f"to {asked_ms:g} ms in the engine (table {trial.predicted_ms:.3g}, built {trial.built_ms:.3g}, "
        f"before {full_ms:.3g})"
    )
    narrowed = replace(trial.checkpoint, lineage=(*cut.parent.lineage, line))
    save_checkpoint(kept, narrowed)
    return narrowed


def _timer_of(context: ModuleContext) -> EngineTimer:
    if context.timer is None:
        msg = "prune: engine_ms wants a device to measure on, got none; run the recipe with `beltline run`"
        raise RecipeError(msg)
    return context.timer


def _prepared(source: Path, step: PruneStep, context: ModuleContext, timer: EngineTimer) -> _Cut:
    parent = load_checkpoint(source)
    found = prunable(parent.inspector, round_to=step.round_to)
    if found.left:
        context.notify(f"prune: left as they are: {found.sentence()}")
    shape = network_shape(parent.inspector, round_to=step.round_to, found=found)
    batches = shown_batches(parent.inspector, context.dataset, step.fit, count=_BATCHES, seed=context.seed)
    importance = group_importance(parent.inspector, batches, kind=step.importance, names=shape.full)
    return _Cut(
        parent=parent,
        table=timer.table(source, shape),
        importance=importance,
        timer=timer,
        folder=context.partial,
    )


def _corrected(cut: _Cut, asked_ms: float) -> _Trial:
    """Measure what the table says; where it misses, ask the table for as much less or more, once."""
    first = _tried(cut, budget_ms=asked_ms, asked_ms=asked_ms)
    if _miss(first, asked_ms) <= _CLOSE:
        return first
    second = _tried(cut, budget_ms=asked_ms * first.predicted_ms / first.built_ms, asked_ms=asked_ms)
    return min(first, second, key=lambda trial: _miss(trial, asked_ms))


def _tried(cut: _Cut, *, budget_ms: float, asked_ms: float) -> _Trial:
    widths = choose_widths(cut.table, cut.importance, budget_ms=budget_ms)
    if widths is not None:
        return _built(cut, widths)
    least = _built(cut, cut.table.shape.least)
    if least.built_ms <= asked_ms * (1 + _CLOSE):
        return least
    msg = (
        f"prune: engine_ms {asked_ms:g} cannot be reached: {least.built_ms:.3g} ms is the least, with every layer as "
        "narrow as it may become; ask for more, lower round_to, or distil into a smaller network"
    )
    raise RecipeError(msg)


def _built(cut: _Cut, widths: dict[str, int]) -> _Trial:
    checkpoint = replace(cut.parent, inspector=copy.deepcopy(cut.parent.inspector))
    narrow(checkpoint.inspector, widths, cut.importance)
    path = cut.folder / "trial.safetensors"
    save_checkpoint(path, checkpoint)
    return _Trial(
        checkpoint=checkpoint, predicted_ms=cut.table.predicted_ms(widths), built_ms=cut.timer.engine_ms(path)
    )


def _miss(trial: _Trial, asked_ms: float) -> float:
    return abs(trial.built_ms / asked_ms - 1)


ImportanceKind = Literal["taylor", "norm"]


def group_importance(
    inspector: Inspector, batches: Iterable[Batch], *, kind: ImportanceKind, names: Collection[str] | None = None
) -> Importance:
    """Say how much each bundle of channels matters, comparable over groups.

    `norm`: the group L2 norm of DepGraph (Fang et al. 2023, arXiv 2301.12900), each group's mean being 1. `taylor`: how
    much the loss would change, to first order, if the channel were gone (Molchanov et al. 2019, arXiv 1906.10771): the
    sum over a filter of weight times gradient, its size averaged over batches and added up over the group.

    Args:
        inspector: On the CPU; its gradients are left empty.
        batches: What `taylor` looks at; `norm` looks at none.
        kind: Which.
        names: Of the groups; None: all.

    Returns:
        Group to importance, float64 `[bundles]`, >= 0.

    Raises:
        RecipeError: A gradient is no number; the message names the group.
    """
    groups = dependencies_of(inspector, only=names).groups
    if kind == "norm":
        measure = torch_pruning.importance.GroupMagnitudeImportance(p=2)
        return {group.name: _of(group, measure) for group in groups}
    measure = torch_pruning.importance.GroupTaylorImportance(group_reduction="sum", normalizer=None, multivariable=True)
    found = {group.name: np.zeros(group.bundles) for group in groups}
    with traceable(inspector.network):
        for batch in batches:
            inspector.zero_grad(set_to_none=False)
            label_loss(inspector.network(batch.pixels), batch).backward()  # type: ignore[no-untyped-call]  # torch's own stub
            for group in groups:
                found[group.name] += _of(group, measure)
    inspector.zero_grad(set_to_none=True)
    return found


def _of(group: ChannelGroup, measure: Any) -> NDArray[np.float64]:
    found = group.bundled(measure(group.members).detach().double().numpy())
    if not np.isfinite(found).all():
        msg = f"prune: the importance of {group.name} is no number; were the weights damaged? Train the model again"
        raise RecipeError(msg)
    return found
