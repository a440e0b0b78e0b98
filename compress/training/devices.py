"""Where training runs, and in which numbers."""

from __future__ import annotations

import torch

from ...inspection.base.errors import MissingPartError


def torch_device(name: str) -> torch.device:
    """Turn `auto`, `cpu` or `cuda` into a device.

    Raises:
        MissingPartError: CUDA was asked for and is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        msg = "device: cuda was asked for, but torch finds no CUDA GPU; write `device: auto` or install the driver"
        raise MissingPartError(msg)
    return torch.device(name)


def short_floats(device: torch.device) -> torch.dtype | None:
    """Give the 16-bit type that a device multiplies faster than float32; None where there is none.

    Layers multiply in it (`torch.autocast`), weights, sums and losses stay float32. On CPUs without tile registers
    (AMX) bfloat16 is emulated or gains little, so they train in float32.
    """
    if device.type == "cuda":
        return torch.float16
    if device.type == "cpu" and torch.cpu.get_capabilities().get("amx_bf16", False):
        return torch.bfloat16
    return None
