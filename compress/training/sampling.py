"""What a training shows in an epoch: which samples, as what views, in batches on the training device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ...inspection.base.errors import DataError
from ...inspection.data.dataset import Dataset, Sample, evenly
from ...inspection.data.frame import FrameSpec
from ...inspection.data.streaming import read_sample_mask
from ..networks.base.inspector import Inspector
from .augmentation import STAND_IN, View
from .fit_settings import AugmentationSettings, FitSettings
from .losses import Batch


def with_stand_ins(dataset: Dataset, settings: FitSettings) -> tuple[Dataset, FitSettings]:
    """Let good samples with defects drawn on them stand for the defects that train lacks; with any, nothing changes.

    Returns:
        The data, train holding each good sample a second time as a stand-in, and settings that draw on all of these.
    """
    good = dataset.of("train")
    if any(sample.defective for sample in good):
        return dataset, settings
    stand_ins = tuple(replace(sample, label=STAND_IN, defective=True) for sample in good)
    drawn = settings.augmentation.model_copy(update={"synthetic_defects": 1.0})
    return (
        replace(dataset, samples=(*dataset.samples, *stand_ins)),
        settings.model_copy(
            update={"augmentation": drawn, "samples_per_epoch": settings.samples_per_epoch or len(good)}
        ),
    )


def views_for(dataset: Dataset, views: AugmentationSettings, frame: FrameSpec) -> AugmentationSettings:
    """Settle how views are cut.

    Whole frames are shown where most defective images have a label but no mask: a crop might not show the defect. An
    edge that is left to us (`auto`) is about four times the usual defect's extent: it then stands among what is good.
    Where frames are cut into tiles, no view is larger than a tile.

    Args:
        dataset: Its train split is looked at.
        views: As asked for.
        frame: The network's input, which crops are measured in.

    Returns:
        With `crop` a number or None.

    Raises:
        DataError: Frames are cut into tiles, and most defective images have no mask.
    """
    defective = [sample for sample in dataset.of("train") if sample.defective]
    masked = [sample for sample in defective if sample.marked]
    if frame.tiles is not None:
        return _views_of_tiles(views, frame.tiles.size, masked=len(masked), defective=len(defective))
    if views.crop is None or 2 * len(masked) < len(defective) or not masked:
        return views.model_copy(update={"crop": None})
    if views.crop != "auto":
        return views
    extents = [_extent(dataset, sample, frame) for sample in evenly(masked, _MEASURED_MASKS)]
    edge = int(np.clip(32 * round(4 * float(np.median(extents)) / 32), 128, 256))
    small = frame.height * frame.width <= 1.3 * edge**2 or min(frame.height, frame.width) < edge
    return views.model_copy(update={"crop": None if small else edge})


def _views_of_tiles(views: AugmentationSettings, size: int, *, masked: int, defective: int) -> AugmentationSettings:
    if 2 * masked < defective:
        msg = (
            f"camera.tiles: {defective - masked} of {defective} defective training images do not say where their "
            "defect is, so that no tile can be shown as defective; mark them, or leave tiles out"
        )
        raise DataError(msg)
    edge = size if views.crop is None or views.crop == "auto" else min(views.crop, size)
    return views.model_copy(update={"crop": edge, "whole": 0.0})


def _extent(dataset: Dataset, sample: Sample, frame: FrameSpec) -> float:
    """Measure a sample's largest defect in the network's pixels: the longer side of its box, 0 where none is marked."""
    marked = read_sample_mask(dataset, sample)
    if marked is None:
        return 0.0
    _, _, boxes, _ = cv2.connectedComponentsWithStats(marked.astype(np.uint8))
    wide = boxes[1:, cv2.CC_STAT_WIDTH] * frame.width / marked.shape[1]
    high = boxes[1:, cv2.CC_STAT_HEIGHT] * frame.height / marked.shape[0]
    return float(np.maximum(wide, high).max(initial=0.0))


def largest_view(views: AugmentationSettings, frame: FrameSpec) -> tuple[int, int]:
    """Give height and width of the largest views that are shown.

    Args:
        views: As `views_for` settled them.
        frame: The network's input.
    """
    if views.crop is None or views.crop == "auto" or views.whole > 0:
        return frame.height, frame.width
    return min(views.crop, frame.height), min(views.crop, frame.width)


def shown(samples: tuple[Sample, ...], views: AugmentationSettings) -> tuple[Sample, ...]:
    """Leave out defective images without a mask where all views are crops."""
    whole = views.crop is None or views.whole > 0
    return tuple(sample for sample in samples if whole or not sample.defective or sample.marked)


_MEASURED_MASKS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownStep:
    """What one step shows.

    Attributes:
        samples: Their places among the training's, int64 `[batch]`.
        whole: Whether whole frames are shown where the settings ask for crops.
    """

    samples: NDArray[np.int64]
    whole: bool


def epoch_steps(
    samples: tuple[Sample, ...], hardness: list[float], settings: FitSettings, steps: int, *, seed: int, epoch: int
) -> list[ShownStep]:
    """Draw what an epoch shows; see `draw`.

    Args:
        samples: Good and defective ones. Defective ones without a mask are drawn for whole frames only.
        hardness: How defective each looks, in [0, 1].
        settings: Says how many views a step has and which share of the steps shows whole frames.
        steps: Of the epoch.
        seed: Of the training.
        epoch: 1-based.
    """
    views, batch = settings.augmentation, settings.batch
    if views.crop is None or not views.whole:
        order = draw(samples, hardness, steps * batch, seed, epoch)
        return [ShownStep(samples=each, whole=False) for each in order.reshape(steps, batch)]
    whole = np.random.default_rng([seed, epoch, 11]).permutation(steps) < round(steps * views.whole)
    masked = set(shown(samples, views.model_copy(update={"whole": 0.0})))
    places = np.array([place for place, sample in enumerate(samples) if sample in masked])
    aimed = places[
        draw(tuple(samples[at] for at in places), [hardness[at] for at in places], steps * batch, seed, epoch)
    ]
    order = np.where(np.repeat(whole, batch), draw(samples, hardness, steps * batch, seed, epoch), aimed)
    return [
        ShownStep(samples=each, whole=bool(entire))
        for each, entire in zip(order.reshape(steps, batch), whole, strict=True)
    ]


def draw(samples: tuple[Sample, ...], hardness: list[float], count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Draw sample indices, half of them defective; good ones by how defective they look, defective ones evenly.

    Args:
        samples: Good and defective ones.
        hardness: How defective each looks, in [0, 1].
        count: How many to draw.
        seed: Of the training.
        epoch: 1-based; each has its own draw.

    Returns:
        int64 `[count]`, in random order.
    """
    generator = np.random.default_rng([seed, epoch, 7])
    defective = np.array([sample.defective for sample in samples])
    bad, good = np.nonzero(defective)[0], np.nonzero(~defective)[0]
    weight = 0.2 + np.asarray(hardness)[good]
    hits = _evenly(bad, count // 2, generator)
    calm = generator.choice(good, size=count - len(hits), p=weight / weight.sum())
    return generator.permutation(np.concatenate([hits, calm])).astype(np.int64)


def batch_of(views: list[View], inspector: Inspector, *, done: float = 0.0) -> Batch:
    """Put views on the inspector's device, normalised.

    Args:
        views: At least one, all of one size.
        inspector: Whose frames they are; says where and how.
        done: See `Batch`.
    """
    device = inspector.scale.device
    pixels = torch.from_numpy(np.stack([view.pixels for view in views])).permute(0, 3, 1, 2).to(device)
    masks = torch.from_numpy(np.stack([view.mask for view in views])).unsqueeze(1).to(device)
    return Batch(
        pixels=inspector.normalise(pixels.float()).contiguous(memory_format=torch.channels_last),
        masks=masks.float() / 255,
        has_mask=torch.tensor([view.has_mask for view in views], device=device),
        defective=torch.tensor([float(view.defective) for view in views], device=device),
        certain=torch.tensor([float(view.certain) for view in views], device=device),
        done=done,
        kinds=_kinds_of(views, device),
    )


def _kinds_of(views: Sequence[View], device: torch.device) -> torch.Tensor | None:
    maps = [view.kinds for view in views if view.kinds is not None]
    return torch.from_numpy(np.stack(maps)).to(device) if len(maps) == len(views) else None


def _evenly(indices: NDArray[np.int64], count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    rounds = -(-count // len(indices))
    return np.concatenate([generator.permutation(indices) for _ in range(rounds)])[:count]
