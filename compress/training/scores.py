"""Scores of whole frames in batches, while training: fast, and close to what the exported graph gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from math import nan

import numpy as np
import torch
from numpy.typing import NDArray

from ...inspection.data.dataset import Dataset, Sample
from ...inspection.data.preparation import prepared, tiles_of
from ...inspection.data.streaming import frames_of
from ...inspection.references.pairs import shown_planes
from ...inspection.statistics.roc import auroc
from ...inspection.statistics.threshold import operating_point
from ..networks.base.inspector import Inspector, score_logits

_AS_LIKELY_AS_NOT = 0.5
_UNALIGNED = 50.0
"""Logit of a frame whose reference cannot be moved onto it: certainly rejected, as the device does."""
_LARGEST_BATCH = 16
_BATCH_PIXELS = 4_000_000


@torch.inference_mode()
def batch_scores(
    inspector: Inspector, dataset: Dataset, samples: Sequence[Sample], device: torch.device, *, batch: int | None = None
) -> NDArray[np.float64]:
    """Give the score logit of every sample's whole frame, `[len(samples)]`; holds one batch and the few read ahead.

    A frame that is cut into tiles scores as the worst of them.
    """
    inspector.eval()
    owners: list[int] = []
    scores = [
        np.where(alignable, score_logits(inspector.network(inputs)).float().cpu().numpy(), _UNALIGNED)
        for inputs, alignable in prepared_batches(inspector, dataset, samples, device, batch, owners)
    ]
    worst = np.full(len(samples), -np.inf)
    np.maximum.at(worst, owners, np.concatenate([*scores, np.empty(0)]).astype(np.float64))
    return worst


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
        AUROC, NaN where val has no defect, and how many defects the threshold passes; None without one.
    """
    val = dataset.of("val")
    if not any(sample.defective for sample in val):
        return nan, None
    scores, defective = batch_scores(inspector, dataset, val, device), np.array([sample.defective for sample in val])
    area = auroc(scores, defective)
    if overkill is None:
        return area, None
    point = operating_point(scores, defective, max_overkill=overkill, confidence=_AS_LIKELY_AS_NOT)
    return area, point.escapes


def prepared_batches(
    inspector: Inspector,
    dataset: Dataset,
    samples: Sequence[Sample],
    device: torch.device,
    batch: int | None = None,
    owners: list[int] | None = None,
) -> Iterator[tuple[torch.Tensor, NDArray[np.bool_]]]:
    """Give samples in batches as the network takes them, a few read ahead; frames in tiles give each of their tiles.

    Args:
        inspector: Says how frames are treated.
        dataset: Of the samples.
        samples: To read.
        device: Where tensors are wanted.
        batch: How many at once; None: as many as have some four megapixels together, at most 16.
        owners: Gets the position of the sample that each of them is of.

    Returns:
        float32 `[batch, planes, h, w]`, and which of them may be judged: their reference could be moved onto the frame.
    """
    frame = inspector.frame
    batch = batch or max(1, min(_LARGEST_BATCH, _BATCH_PIXELS // (frame.height * frame.width)))

    def pieces() -> Iterator[NDArray[np.uint8]]:
        for position, each in enumerate(frames_of(dataset, samples)):
            for piece in tiles_of(prepared(each, frame), frame):
                if owners is not None:
                    owners.append(position)
                yield piece

    frames = map(partial(shown_planes, reference=frame.reference), pieces())
    while chunk := list(islice(frames, batch)):
        tensors = [torch.from_numpy(planes).to(device).permute(2, 0, 1).unsqueeze(0) for planes, _ in chunk]
        pixels = torch.cat([inspector.prepare(each) for each in tensors])
        yield pixels.contiguous(memory_format=torch.channels_last), np.array([aligned for _, aligned in chunk])
