"""A student's feature maps beside its teacher's, through 1 x 1 adapters that are trained along and then dropped."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...inspection.base.errors import RecipeError
from ..networks.base.inspector import Inspector
from .feature_maps import LAST, FeaturePlace, FeatureTap, feature_places
from .losses import feature_loss
from .teacher_terms import FeatureTerm


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
