"""Score many images with one session: frames stream, a bounded number of them is ever in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ..inspection.base.errors import GraphError
from ..inspection.data.dataset import Dataset, Sample
from ..inspection.data.streaming import frames_of
from .contracts import Decision, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What a session gives for a row of samples.

    Attributes:
        scores: float64 `[samples]`, each in [0, 1], in the order of the samples.
        heatmaps: Position in that order to uint8 `[rows, columns]`, for the positions asked for.
    """

    scores: NDArray[np.float64]
    heatmaps: Mapping[int, NDArray[np.uint8]]


def score_samples(
    session: Session,
    dataset: Dataset,
    samples: Sequence[Sample],
    *,
    keep_heatmaps: Collection[int] = frozenset(),
    progress: Callable[[int], None] | None = None,
    take: Callable[[int, Decision], None] | None = None,
) -> Scores:
    """Run every sample's image through the session; reading overlaps with inference.

    Args:
        session: An entered session.
        dataset: Where the samples' files are and how they are read.
        samples: Any of the data set's samples.
        keep_heatmaps: Positions in `samples` whose heatmaps are wanted; the others are dropped at once.
        progress: Called after each frame with the number of frames done.
        take: Called with each frame's position and what the session said of it.

    Raises:
        DataError: An image cannot be read; the message names it.
        GraphError: The model gave something that is no score.
    """
    scores = np.empty(len(samples), dtype=np.float64)
    heatmaps: dict[int, NDArray[np.uint8]] = {}
    for position, frame in enumerate(frames_of(dataset, samples)):
        decision = session.infer(frame)
        scores[position] = _checked(decision.score, samples[position].path)
        if take is not None:
            take(position, decision)
        if position in keep_heatmaps:
            heatmaps[position] = decision.heatmap
        if progress is not None:
            progress(position + 1)
    return Scores(scores=scores, heatmaps=MappingProxyType(heatmaps))


def _checked(score: float, path: str) -> float:
    """A score that is NaN would silently pass every part, so it stops the run."""
    if not 0.0 <= score <= 1.0:
        msg = (
            f"{path}: wanted a score in [0, 1], got {score}; check the weights and the normalisation they were trained "
            "with; a finished ONNX file ends with a sigmoid"
        )
        raise GraphError(msg)
    return score
