"""Batch norms measured anew: what they remember is of a network that had other channels or other weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from ...networks.base.inspector import Inspector
from ...training.losses import Batch


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
