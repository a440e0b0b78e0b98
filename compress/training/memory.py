"""What a training step holds in memory, counted before the first one, and whether there is room for it."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from ...inspection.base.errors import RecipeError

_COUNTED_VIEWS = 2
_COUNTED_EDGE = 256
_COPIES_OF_WEIGHTS = 6  # themselves, gradients, AdamW's two moments, their average, the best so far
_BESIDE = 1.2  # gradients of the layer at work, and what the allocator leaves unused
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def step_bytes(network: nn.Module, planes: int, size: tuple[int, int], *, batch: int) -> int | None:
    """Count what training on one batch holds, from one forward pass of two views of at most 256 x 256.

    Layer outputs that the way back needs, weights with their gradients and moments, and the views themselves. Of larger
    views, outputs are taken to grow with the area, as those of convolutions do.

    Args:
        network: Takes float32 `[N, planes, height, width]`.
        planes: Of a view.
        size: Its height and width.
        batch: Views at once.

    Returns:
        Bytes; None where the network does not take such views.
    """
    weights = sum(each.numel() * each.element_size() for each in network.parameters())
    height, width = (min(edge, _COUNTED_EDGE) for edge in size)
    try:
        kept = _kept_bytes(copy.deepcopy(network).cpu().train(), (_COUNTED_VIEWS, planes, height, width))
    except (RuntimeError, ValueError, TypeError, AssertionError):  # a user's network may take one size alone
        return None
    pixels = size[0] * size[1]
    per_pixel = _BESIDE * kept / (_COUNTED_VIEWS * height * width) + 2 * 4 * (planes + 1)
    return _COPIES_OF_WEIGHTS * weights + int(batch * pixels * per_pixel)


def _kept_bytes(network: nn.Module, shape: tuple[int, ...]) -> int:
    own = {each.untyped_storage()._cdata for each in (*network.parameters(), *network.buffers())}  # noqa: SLF001  its identity
    kept: dict[int, torch.UntypedStorage] = {}  # held, so that no other one gets its identity

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:  # noqa: SLF001
            kept[storage._cdata] = storage  # noqa: SLF001
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network(torch.zeros(shape))
    return sum(storage.nbytes() for storage in kept.values())


def free_bytes(device: torch.device) -> int | None:
    """Give what is free on a device: of a GPU, or of the machine within its group's limit; None where nobody says."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if not _MEMINFO.exists():
        return None
    lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
    free = 1024 * int(lines["MemAvailable"].split()[0])
    most, used = (_CGROUP / "memory.max", _CGROUP / "memory.current")
    if most.exists() and used.exists() and (limit := most.read_text().strip()) != "max":
        free = min(free, int(limit) - int(used.read_text()))
    return max(0, free)


def require_room(needed: int | None, free: int | None, *, name: str, size: tuple[int, int], batch: int) -> None:
    """Check that a step fits before it is tried: on Linux, whoever takes too much is killed without a word.

    Args:
        needed: Bytes of a step, see `step_bytes`; None: not known.
        free: Bytes; None: not known.
        name: Of the training.
        size: Of a view.
        batch: Views at once.

    Raises:
        RecipeError: It does not fit; the message says what would.
    """
    if needed is None or free is None or needed <= free:
        return
    fits = max(0, int(batch * free / needed) // 2 * 2)
    advice = (
        f"write fit.batch: {fits}" if fits else "write a smaller teacher.input_size, or cut frames into camera.tiles"
    )
    msg = (
        f"{name}: a step of {batch} views of {size[1]} x {size[0]} pixels holds about {needed / 1e9:.1f} GB, "
        f"{free / 1e9:.1f} GB are free; {advice}"
    )
    raise RecipeError(msg)
