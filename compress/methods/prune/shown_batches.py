"""Batches of training views for looking at a network without training it: importance, batch norms."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from ....inspection.data.dataset import Dataset
from ...networks.base.inspector import Inspector
from ...training.augmentation import Augmenter
from ...training.fit_settings import FitSettings
from ...training.losses import Batch
from ...training.sampling import batch_of, draw, shown, views_for


def shown_batches(
    inspector: Inspector, dataset: Dataset, fit: FitSettings, *, count: int, seed: int
) -> Iterator[Batch]:
    """Give batches as an epoch of training would show them, half of the views of defective parts.

    Args:
        inspector: Says how frames are treated, and where.
        dataset: Its train split.
        fit: How views are cut, and how many are in a batch.
        count: Of batches.
        seed: The same one gives the same views.
    """
    cv2.setNumThreads(1)  # as in `training.fit`
    views = views_for(dataset, fit.augmentation, inspector.frame).model_copy(update={"whole": 0.0})
    samples = shown(dataset.of("train"), views)
    good = tuple(sample for sample in samples if not sample.defective)
    maker = Augmenter(dataset=dataset, frame=inspector.frame, settings=views, grounds=good)
    order = draw(samples, [0.5] * len(samples), count * fit.batch, seed, epoch=0)
    for number, chosen in enumerate(order.reshape(count, fit.batch)):
        generator = np.random.default_rng([seed, 0, number])
        yield batch_of([maker.view(samples[index], generator) for index in chosen], inspector)
