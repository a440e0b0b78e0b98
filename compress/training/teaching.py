"""The teacher at a student's side: its scores, heatmaps and feature maps for each batch, as a loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from ...inspection.base.errors import RecipeError
from ..checkpoint import load_checkpoint
from ..networks.base.inspector import Inspector
from .feature_maps import LAST, FeaturePlace, FeatureTap, feature_places
from .loop import Loss
from .losses import Batch, feature_loss, label_loss, teacher_loss
from .teacher_terms import DistillWeights, FeatureTerm


class FeaturePairs(nn.Module):
    """Compares the maps of the latest pass of a student with those of its teacher.

    Attributes:
        adapters: By place, from the student's channels to the teacher's (FitNets, arXiv 1412.6550); all that is learned
            here.
        term: How they are compared.
    """

    def __init__(self, name: str, student: Inspector, teacher: Inspector, term: FeatureTerm) -> None:
        """Find the maps that both have and begin to listen to both, until `close`.

        Args:
            name: The step's, for messages.
            student: In training its passes have gradients.
            teacher: Its passes have none.
            term: Which maps, and how they are compared.

        Raises:
            RecipeError: They have none in common.
        """
        super().__init__()
        ours, theirs = feature_places(student), feature_places(teacher)
        shared = [place for place in ours if place in theirs and _is_asked(place, term)]
        if not shared:
            raise RecipeError(_nothing_shared(name, term, ours, theirs))
        self.term = term
        self.adapters = nn.ModuleDict(
            {place: nn.Conv2d(ours[place].channels, theirs[place].channels, 1) for place in shared}
        )
        self._ours = FeatureTap(student.network, {place: ours[place] for place in shared}, learning=True)
        self._theirs = FeatureTap(teacher.network, {place: theirs[place] for place in shared}, learning=False)

    def forward(self) -> Tensor:
        """Give the mean of the places' losses for the latest pass of both; scalar."""
        losses = [
            feature_loss(adapter(self._ours.taken(place)).float(), self._theirs.taken(place).clone().float(), self.term)
            for place, adapter in self.adapters.items()
        ]
        return torch.stack(losses).mean()

    def close(self) -> None:
        """Leave both networks as they were."""
        self._ours.close()
        self._theirs.close()


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
        told = teacher_loss(logits, seen.clone(), weights, done=batch.done)
        return weights.labels * label_loss(logits, batch) + told if weights.labels else told

    return loss


def _is_asked(place: str, term: FeatureTerm) -> bool:
    return term.at == "all" or (term.at == "last") == (place == LAST)


def _nothing_shared(
    name: str, term: FeatureTerm, ours: Mapping[str, FeaturePlace], theirs: Mapping[str, FeaturePlace]
) -> str:
    return (
        f"{name}: teacher.features at {term.at}: wanted feature maps that student and teacher both have, "
        f"got {', '.join(ours) or 'none'} of the student's and {', '.join(theirs) or 'none'} of the teacher's; "
        "write another `at`, or leave features out"
    )
