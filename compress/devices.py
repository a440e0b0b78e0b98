"""Where training runs."""

from __future__ import annotations

import torch

from ..inspection.errors import MissingPartError


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
