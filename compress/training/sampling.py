"""What a training shows in an epoch: which samples, as what views, in batches on the training device."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...inspection.data.dataset import Dataset, Sample
from ..networks.base.inspector import Inspector
from .augmentation import View
from .fit_settings import AugmentationSettings
from .losses import Batch


def views_for(dataset: Dataset, views: AugmentationSettings) -> AugmentationSettings:
    """Show whole frames where most defective images have a label but no mask: a crop might not show the defect."""
    masks = [sample.mask is not None for sample in dataset.of("train") if sample.defective]
    crops = 2 * sum(masks) >= len(masks)
    return views if crops else views.model_copy(update={"crop": None})


def shown(samples: tuple[Sample, ...], views: AugmentationSettings) -> tuple[Sample, ...]:
    """Leave out defective images without a mask where views are crops."""
    whole = views.crop is None
    return tuple(sample for sample in samples if whole or not sample.defective or sample.mask is not None)


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
    )


def _evenly(indices: NDArray[np.int64], count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    rounds = -(-count // len(indices))
    return np.concatenate([generator.permutation(indices) for _ in range(rounds)])[:count]
