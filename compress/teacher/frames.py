"""From a data set to the frame specification that a network is trained with."""

from __future__ import annotations

from statistics import median_low

import numpy as np

from ...inspection.data.dataset import Dataset, evenly
from ...inspection.data.frame import FrameSpec
from ...inspection.data.streaming import read_sample

_LOOKED_AT = 64


def frame_spec(dataset: Dataset, input_size: tuple[int, int] | None = None) -> FrameSpec:
    """Choose input size and normalisation from the training frames.

    Args:
        dataset: Its train split is looked at.
        input_size: `[height, width]` in pixels, multiples of 32; None: the median frame, rounded.

    Returns:
        With `frame_height` and `frame_width` set where all frames of all splits have one size.
    """
    train = dataset.of("train")
    height, width = input_size or (
        _rounded(median_low(sample.height for sample in train)),
        _rounded(median_low(sample.width for sample in train)),
    )
    sizes = {(sample.height, sample.width) for sample in dataset.samples}
    mean, std = _moments(dataset)
    one = sizes.pop() if len(sizes) == 1 else (None, None)
    return FrameSpec(
        height=height,
        width=width,
        channels=dataset.channels,
        mean=mean,
        std=std,
        frame_height=one[0],
        frame_width=one[1],
    )


def _rounded(pixels: int) -> int:
    return max(32, 32 * round(pixels / 32))


def _moments(dataset: Dataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel on the scale 0..1, from evenly spaced training frames."""
    frames = [read_sample(dataset, sample) / 255.0 for sample in evenly(dataset.of("train"), _LOOKED_AT)]
    mean = np.mean([frame.mean(axis=(0, 1)) for frame in frames], axis=0)
    square = np.mean([(frame**2).mean(axis=(0, 1)) for frame in frames], axis=0)
    std = np.sqrt(np.maximum(square - mean**2, 1e-4))
    return tuple(round(float(value), 4) for value in mean), tuple(round(float(value), 4) for value in std)
