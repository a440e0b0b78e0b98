"""A teacher of good parts alone: features of a pretrained backbone are remembered; nothing is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from ...inspection.base.errors import RecipeError
from ...inspection.data.dataset import Dataset, Sample, evenly
from ...inspection.data.frame import FrameSpec
from ..checkpoint import Checkpoint, save_checkpoint
from ..networks.base.families import build_network, origin_of_network, with_moments
from ..networks.base.inspector import Inspector
from ..networks.base.memory_network import MemoryNetwork
from ..recipe import Progress
from ..training.devices import torch_device
from ..training.scores import prepared_batches
from .frames import frame_spec
from .memory_fit import remember, spread_of
from .settings import TeacherSettings

_MOST_FRAMES = 1000
_MOST_PIXELS = 320 * 320
"""Larger frames are shrunk to this unless `input_size` is given: a memory is fitted in seconds."""
_BATCH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Strangeness:
    """How far a good training frame lies from what the other half of the good frames looks like.

    Attributes:
        path: The frame's.
        deviations: Its score, in standard deviations above the mean of all frames' scores.
    """

    path: str
    deviations: float


def fit_memory(
    settings: TeacherSettings, dataset: Dataset, target_file: Path, *, seed: int, progress: Progress
) -> list[Strangeness]:
    """Remember the good parts of train and write the checkpoint.

    Args:
        settings: With a network of the family `memory`.
        dataset: Its good training frames are read, at most 1,000 of them.
        target_file: Checkpoint to write.
        seed: Of which features are kept.
        progress: Called after every batch.

    Returns:
        Every frame with its strangeness, the strangest first.

    Raises:
        RecipeError: There are fewer than two good frames.
    """
    torch.manual_seed(seed)
    origin = origin_of_network(settings.network, dataset.channels)
    inspector = empty_memory(settings, dataset)
    frame, network = inspector.frame, cast("MemoryNetwork", inspector.network)
    samples = evenly([sample for sample in dataset.of("train") if not sample.defective], _most_frames(dataset, frame))
    if len(samples) < 2:
        msg = f"teacher: a memory needs at least two good training frames, got {len(samples)}; add photographs"
        raise RecipeError(msg)
    levels, owners = features_of(inspector, dataset, samples, torch_device(settings.device), progress)
    place = 0.0 if frame.tiles is not None else float(settings.network["place"])
    scores = remember(network, levels, halves_of(samples), owners, place=place)
    known = f"teacher memory of {len(samples)} good frames"
    lineage = (known,) if origin is None else (origin.line, known)
    save_checkpoint(
        target_file, Checkpoint(network=settings.network, frame=frame, lineage=lineage, inspector=inspector)
    )
    found = [
        Strangeness(path=sample.path, deviations=round(score, 3))
        for sample, score in zip(samples, ((scores - scores.mean()) / spread_of(scores)).tolist(), strict=True)
    ]
    return sorted(found, key=lambda each: -each.deviations)


def empty_memory(settings: TeacherSettings, dataset: Dataset) -> Inspector:
    """Make a memory that holds nothing yet, for frames of a data set: larger ones are shrunk, see `fit_memory`."""
    origin = origin_of_network(settings.network, dataset.channels)
    frame = with_moments(_frame(dataset, settings.input_size), origin)
    return Inspector(build_network(settings.network, frame.planes), frame).eval()


def _frame(dataset: Dataset, input_size: tuple[int, int] | None) -> FrameSpec:
    frame = frame_spec(dataset, input_size)
    shrunk = min(1.0, (_MOST_PIXELS / (frame.height * frame.width)) ** 0.5)
    if frame.tiles is not None or input_size is not None or shrunk == 1.0:
        return frame
    height, width = (max(32, 32 * round(edge * shrunk / 32)) for edge in (frame.height, frame.width))
    return replace(frame, height=height, width=width)


def _most_frames(dataset: Dataset, frame: FrameSpec) -> int:
    """Say how many frames are read: of frames in tiles fewer, so that no more than 1,000 tiles are held, but two."""
    if frame.tiles is None:
        return _MOST_FRAMES
    most = max(frame.tiles.count(sample.height, sample.width) for sample in dataset.of("train"))
    return max(2, _MOST_FRAMES // most)


@torch.inference_mode()
def features_of(
    inspector: Inspector, dataset: Dataset, samples: Sequence[Sample], device: torch.device, progress: Progress
) -> tuple[dict[int, Tensor], Tensor]:
    """Give smoothed features of all frames, or tiles of frames, on the CPU, and which frame each is of.

    Args:
        inspector: With a `MemoryNetwork`, of which only the backbone is asked.
        dataset: Of the samples.
        samples: To read.
        device: Where the backbone runs.
        progress: Called after every batch.

    Returns:
        By stride float16 `[tiles, channels, rows, columns]`, and int64 `[tiles]`.
    """
    network = cast("MemoryNetwork", inspector.network)
    inspector.to(device)
    batches: list[dict[int, Tensor]] = []
    owners: list[int] = []
    for inputs, _ in prepared_batches(inspector, dataset, samples, device, _BATCH, owners):
        levels = network.levels(inputs)
        batches.append({stride: level.half().cpu() for stride, level in levels.items()})
        progress("frames", owners[-1] + 1, len(samples))
    inspector.to("cpu")
    whole = {stride: torch.cat([batch[stride] for batch in batches]) for stride in network.strides}
    return whole, torch.tensor(owners)


def halves_of(samples: Sequence[Sample]) -> Tensor:
    """Deal frames to two halves, bool `[frames]`; frames of one part stay together where there are several parts."""
    groups = sorted({sample.group for sample in samples}, key=lambda group: hashlib.sha256(group.encode()).digest())
    if len(groups) == 1:
        return torch.arange(len(samples)) % 2 == 0
    first = set(groups[::2])
    return torch.tensor([sample.group in first for sample in samples])
