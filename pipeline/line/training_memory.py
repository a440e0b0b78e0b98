"""What training the teacher will hold in memory, before anything is trained."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from ...compress.teacher.frames import network_size
from ...inspection.data.dataset import Dataset
from .line_file import LineFile

_ANY_MACHINE_PIXELS = 16 * 512 * 512


def training_memory(line_file: LineFile, dataset: Dataset) -> dict[str, Any] | None:
    """Count what a step of the teacher's training holds.

    Args:
        line_file: Says the network, its input and the batch.
        dataset: Says the size of the frames and of the usual defect.

    Returns:
        JSON-able: `batch`, `view` (height and width of the largest views), `step_bytes` (see
        `memory.step_bytes`) and `free_bytes` (of this machine now; None where it does not say). None where no teacher
        is trained step by step, its views have together no more pixels than 16 of 512 x 512, which any machine holds,
        or torch is not installed.

    Raises:
        DataError: A mask cannot be read, or tiles do not fit.
    """
    settings = line_file.teacher
    made = settings.weights is not None or settings.onnx is not None or settings.network["family"] == "memory"
    height, width = network_size(dataset, settings.input_size)
    if made or settings.fit.batch * height * width <= _ANY_MACHINE_PIXELS or find_spec("torch") is None:
        return None
    from ...compress.networks.base.families import build_network
    from ...compress.teacher.frames import frame_spec
    from ...compress.training.devices import torch_device
    from ...compress.training.memory import free_bytes, step_bytes
    from ...compress.training.sampling import largest_view, views_for

    network = {**settings.network}
    network |= {key: False for key in ("pretrained", "whole_frame") if key in network}
    frame = frame_spec(dataset, settings.input_size)
    views = views_for(dataset, settings.fit.augmentation, frame)
    size = largest_view(views, frame)
    needed = step_bytes(build_network(network, frame.planes), frame.planes, size, batch=settings.fit.batch)
    if needed is None:
        return None
    return {
        "batch": settings.fit.batch,
        "view": list(size),
        "step_bytes": needed,
        "free_bytes": free_bytes(torch_device(settings.device)),
    }


def training_memory_text(facts: dict[str, Any]) -> list[str]:
    """Describe it for a terminal, in lines."""
    height, width = facts["view"]
    held, free = facts["step_bytes"], facts["free_bytes"]
    views = f"{facts['batch']} views of {width} x {height}"
    line = f"training the teacher holds about {held / 1e9:.1f} GB beside torch: {views}"
    if free is None:
        return [line]
    return [line, f"  {free / 1e9:.1f} GB are free here" + ("; lower teacher.fit.batch" if held > free else "")]
