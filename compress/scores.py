"""Scores of whole frames in batches, while training: fast, and close to what the exported graph gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from ..inspection.dataset import Dataset, Sample
from ..inspection.streaming import frames_of
from .inspector import Inspector, score_logits


@torch.inference_mode()
def batch_scores(
    inspector: Inspector, dataset: Dataset, samples: Sequence[Sample], device: torch.device, *, batch: int = 16
) -> NDArray[np.float64]:
    """Give the score logit of every sample's whole frame, `[len(samples)]`; holds one batch and the few read ahead."""
    inspector.eval()
    scores = [
        score_logits(inspector.network(inputs)).float().cpu().numpy()
        for inputs in _inputs(inspector, dataset, samples, device, batch)
    ]
    return np.concatenate(scores).astype(np.float64) if scores else np.empty(0)


def _inputs(
    inspector: Inspector, dataset: Dataset, samples: Sequence[Sample], device: torch.device, batch: int
) -> Iterator[torch.Tensor]:
    frames = frames_of(dataset, samples)
    while chunk := [torch.from_numpy(frame).to(device) for frame in islice(frames, batch)]:
        pixels = torch.cat([inspector.prepare(frame.permute(2, 0, 1).unsqueeze(0)) for frame in chunk])
        yield pixels.contiguous(memory_format=torch.channels_last)
