"""How much each group of channels matters, all of them together along the dependency graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import torch_pruning
from numpy.typing import NDArray

from ....inspection.base.errors import RecipeError
from ...networks.base.inspector import Inspector
from ...training.losses import Batch, label_loss
from .choosing import Importance
from .width_groups import ChannelGroup, channel_groups, pruner_of

ImportanceKind = Literal["taylor", "norm"]


def group_importance(inspector: Inspector, batches: Iterable[Batch], *, kind: ImportanceKind) -> Importance:
    """Say how much each bundle of channels matters, comparable over groups.

    `norm`: the group L2 norm of DepGraph (Fang et al. 2023, arXiv 2301.12900), each group's mean being 1. `taylor`: how
    much the loss would change, to first order, if the channel were gone (Molchanov et al. 2019, arXiv 1906.10771): the
    sum over a filter of weight times gradient, its size averaged over batches and added up over the group.

    Args:
        inspector: On the CPU; its gradients are left empty.
        batches: What `taylor` looks at; `norm` looks at none.
        kind: Which.

    Returns:
        Group to importance, float64 `[bundles]`, >= 0.

    Raises:
        RecipeError: A gradient is no number; the message names the group.
    """
    groups = channel_groups(inspector, pruner_of(inspector))
    if kind == "norm":
        measure = torch_pruning.importance.GroupMagnitudeImportance(p=2)
        return {group.name: _of(group, measure) for group in groups}
    measure = torch_pruning.importance.GroupTaylorImportance(group_reduction="sum", normalizer=None, multivariable=True)
    found = {group.name: np.zeros(group.bundles) for group in groups}
    inspector.eval()
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
