"""Scores of whole frames in batches, while training: fast, and close to what the exported graph gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from ...inspection.data.dataset import Dataset, Sample
from ...inspection.data.streaming import frames_of
from ...inspection.statistics.roc import auroc
from ...inspection.statistics.threshold import operating_point
from ..networks.base.inspector import Inspector, score_logits

_AS_LIKELY_AS_NOT = 0.5


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


def judged_on_val(
    inspector: Inspector, dataset: Dataset, device: torch.device, *, overkill: float | None
) -> tuple[float, int | None]:
    """Say how good an inspector is while it is trained.

    Args:
        inspector: On `device`.
        dataset: Its val split.
        device: Where.
        overkill: Share of the good parts that the threshold rejects, as likely as not, in (0, 1); None: no threshold.

    Returns:
        AUROC, and how many defects the threshold passes; None without one.
    """
    val = dataset.of("val")
    scores, defective = batch_scores(inspector, dataset, val, device), np.array([sample.defective for sample in val])
    area = auroc(scores, defective)
    if overkill is None:
        return area, None
    point = operating_point(scores, defective, max_overkill=overkill, confidence=_AS_LIKELY_AS_NOT)
    return area, point.escapes


def _inputs(
    inspector: Inspector, dataset: Dataset, samples: Sequence[Sample], device: torch.device, batch: int
) -> Iterator[torch.Tensor]:
    frames = frames_of(dataset, samples)
    while chunk := [torch.from_numpy(frame).to(device) for frame in islice(frames, batch)]:
        pixels = torch.cat([inspector.prepare(frame.permute(2, 0, 1).unsqueeze(0)) for frame in chunk])
        yield pixels.contiguous(memory_format=torch.channels_last)
