"""Scores of whole frames in batches, while training: fast, and close to what the exported graph gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from ..inspection.dataset import Dataset, Sample
from ..inspection.images import read_frame
from .inspector import Inspector, score_logits


@torch.inference_mode()
def batch_scores(
    inspector: Inspector, dataset: Dataset, samples: Sequence[Sample], device: torch.device, *, batch: int = 16
) -> NDArray[np.float64]:
    """Give the score logit of every sample's whole frame, `[len(samples)]`; holds two batches of frames at most."""
    inspector.eval()
    scores = [
        score_logits(inspector.network(inputs.to(device))).float().cpu().numpy()
        for inputs in _inputs(inspector, dataset, samples, batch)
    ]
    return np.concatenate(scores).astype(np.float64) if scores else np.empty(0)


def _inputs(inspector: Inspector, dataset: Dataset, samples: Sequence[Sample], batch: int) -> Iterator[torch.Tensor]:
    scale, shift = inspector.scale.cpu(), inspector.shift.cpu()
    frame = inspector.frame

    def load(sample: Sample) -> torch.Tensor:
        pixels = read_frame(dataset.root / sample.path, channels=dataset.channels, bit_depth=dataset.bit_depth)
        tensor = torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).to(torch.float32)
        if tensor.shape[-2:] != (frame.height, frame.width):
            tensor = torch.nn.functional.interpolate(
                tensor, size=(frame.height, frame.width), mode="bilinear", align_corners=False
            )
        return tensor

    waiting = iter(samples)
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(lambda chunk: [load(sample) for sample in chunk], list(islice(waiting, batch)))
        while frames := ahead.result():
            ahead = reader.submit(lambda chunk: [load(sample) for sample in chunk], list(islice(waiting, batch)))
            pixels = torch.cat(frames) * scale + shift
            yield pixels.contiguous(memory_format=torch.channels_last)
