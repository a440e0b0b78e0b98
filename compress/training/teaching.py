"""The teacher at a student's side: what it says of each batch, as a loss."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from ..checkpoint import load_checkpoint
from ..networks.base.inspector import Inspector
from .feature_pairs import FeaturePairs
from .loop import Loss
from .losses import Batch, label_loss, teacher_loss
from .teacher_terms import DistillWeights


@contextmanager
def taught(
    name: str, teacher_file: Path, student: Inspector, weights: DistillWeights, device: torch.device
) -> Iterator[tuple[Loss, nn.Module]]:
    """Give what a student minimises, and what that loss learns itself (an empty module where nothing is).

    Both networks are listened to until the block ends, where feature maps are compared; the student then is as it was.

    Args:
        name: The step's, for messages.
        teacher_file: A checkpoint; not read where no term has weight.
        student: In training later.
        weights: Of the teacher's terms.
        device: Where the student will be trained.

    Raises:
        RecipeError: Student and teacher have no feature maps in common that could be compared.
    """
    if weights.silent:
        yield label_loss, nn.Module()
        return
    teacher = load_checkpoint(teacher_file).inspector.to(device).to(memory_format=torch.channels_last).eval()
    if weights.features is None:
        yield _loss(teacher, student, weights, device), nn.Module()
        return
    pairs = FeaturePairs(name, student, teacher, weights.features)
    spoken = _loss(teacher, student, weights, device)

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        weight = pairs.term.weight * weights.ramps.multiple("features", batch.done)
        spoken_of = spoken(logits, batch)  # first: it lets the teacher see the batch
        matched: Tensor = pairs()
        return spoken_of + weight * matched

    try:
        yield loss, pairs
    finally:
        pairs.close()


def _loss(teacher: Inspector, student: Inspector, weights: DistillWeights, device: torch.device) -> Loss:
    """Let the teacher see each batch at its own scale and in its own size."""
    ratio = teacher.scale / student.scale.cpu().to(device)
    offset = teacher.shift - student.shift.cpu().to(device) * ratio
    stretch = (teacher.frame.height / student.frame.height, teacher.frame.width / student.frame.width)

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        with torch.inference_mode():
            pixels = batch.pixels * ratio + offset
            if stretch != (1.0, 1.0):
                size = [
                    max(32, 32 * round(edge * by / 32)) for edge, by in zip(pixels.shape[-2:], stretch, strict=True)
                ]
                pixels = torch.nn.functional.interpolate(pixels, size=size, mode="bilinear", align_corners=False)
            seen = teacher.network(pixels).float()
        return label_loss(logits, batch) + teacher_loss(logits, seen.clone(), weights, done=batch.done)

    return loss
