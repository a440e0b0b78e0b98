"""How large a network is: learned numbers and multiply-accumulates."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ...checkpoint import load_checkpoint


def count_network(path: Path) -> dict[str, int]:
    """Count a checkpoint's `parameters` and the `macs` of one frame: convolutions and linear layers, no pre-processing.

    Args:
        path: What `checkpoint.save_checkpoint` wrote.
    """
    checkpoint = load_checkpoint(path)
    frame = checkpoint.frame
    return {
        "parameters": checkpoint.parameters,
        "macs": macs_of(checkpoint.inspector.network, torch.zeros(1, frame.planes, frame.height, frame.width)),
    }


@torch.inference_mode()
def macs_of(network: nn.Module, example: Tensor) -> int:
    """Count multiply-accumulates by watching one forward pass.

    >>> macs_of(nn.Conv2d(1, 4, 3, padding=1, bias=False), torch.zeros(1, 1, 8, 8))
    2304
    """
    total = 0

    def watch(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        weight = module.weight
        if isinstance(weight, Tensor):
            total += weight[0].numel() * output.numel()

    layers = [module for module in network.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    hooks = [layer.register_forward_hook(watch) for layer in layers]
    try:
        network(example)
    finally:
        for hook in hooks:
            hook.remove()
    return total
