"""From a data set to the frame specification that a network is trained with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median_low

import numpy as np

from ...inspection.base.errors import DataError
from ...inspection.data.camera import Tiles
from ...inspection.data.dataset import Dataset, Sample, evenly
from ...inspection.data.frame import LARGEST_INPUT, FrameSpec
from ...inspection.data.preparation import prepared
from ...inspection.data.runs import resized_runs
from ...inspection.data.streaming import read_sample

_LOOKED_AT = 64
_LEAST_PIXELS = 8


def frame_spec(dataset: Dataset, input_size: tuple[int, int] | None = None) -> FrameSpec:
    """Choose input size and normalisation from the training frames.

    Args:
        dataset: Its train split is looked at.
        input_size: `[height, width]` in pixels, multiples of 32; None: the median frame, rounded, or a whole fraction
            of it where that is above 4096 pixels.

    Returns:
        With `frame_height` and `frame_width` set where all frames of all splits have one size. Where any of them is
        larger than the network's input, frames are averaged over areas before the graph.

    Raises:
        DataError: Frames are single lines, or tiles do not fit into them.
    """
    tiles = dataset.camera.tiles
    _require_areas(dataset.samples)
    frame_height, frame_width = frame_size(dataset)
    height, width = network_size(dataset, input_size)
    plain = FrameSpec(
        height=height,
        width=width,
        channels=dataset.channels,
        mean=(0.0,) * dataset.channels,
        std=(1.0,) * dataset.channels,
        frame_height=frame_height,
        frame_width=frame_width,
        resize="area" if tiles is not None or shrinks(dataset, height, width) else "bilinear",
        tiles=tiles,
        reference=dataset.referenced,
    )
    mean, std = _moments(dataset, with_camera(plain, dataset))
    return replace(with_camera(plain, dataset), mean=mean, std=std)


def network_size(dataset: Dataset, input_size: tuple[int, int] | None) -> tuple[int, int]:
    """Choose height and width of the network's input, see `frame_spec`.

    Raises:
        DataError: Tiles do not fit into the frames, or another input was asked for.
    """
    train, tiles = dataset.of("train"), dataset.camera.tiles
    if tiles is not None:
        edge = _tile_edge(dataset, tiles, input_size)
        return edge, edge
    return input_size or _size_for(
        median_low(sample.height for sample in train), median_low(sample.width for sample in train)
    )


def with_camera(spec: FrameSpec, dataset: Dataset) -> FrameSpec:
    """Say in a specification which part of frames is inspected, what of it is never judged, and if they are raw."""
    ignore, size = dataset.ignore, frame_size(dataset)
    if ignore is not None and size[0] is not None and size[1] is not None:
        ignore = resized_runs(ignore, (size[0], size[1]), spec.prepared_size or (size[0], size[1]))
    return replace(spec, region=dataset.camera.region, ignore=ignore, bayer=dataset.camera.bayer)


def _tile_edge(dataset: Dataset, tiles: Tiles, input_size: tuple[int, int] | None) -> int:
    if input_size is not None and input_size != (tiles.size, tiles.size):
        got = f"got {list(input_size)}; drop it"
        msg = f"teacher.input_size: networks take the camera's tiles of {tiles.size} pixels, {got}"
        raise DataError(msg)
    if dataset.referenced:
        msg = "camera.tiles: frames that are compared with a reference are not cut into tiles; leave one of the two out"
        raise DataError(msg)
    for sample in dataset.samples:
        tiles.require_smaller(sample.height, sample.width, source=sample.path)
    return tiles.size


def frame_size(dataset: Dataset) -> tuple[int | None, int | None]:
    """Give height and width of every frame of a data set; None where they differ."""
    sizes = {(sample.height, sample.width) for sample in dataset.samples}
    return next(iter(sizes)) if len(sizes) == 1 else (None, None)


def shrinks(dataset: Dataset, height: int, width: int) -> bool:
    """Whether any frame of a data set is larger than a network's input, one way or the other."""
    return any(sample.height > height or sample.width > width for sample in dataset.samples)


def _require_areas(samples: Sequence[Sample]) -> None:
    thin = next((each for each in samples if min(each.height, each.width) < _LEAST_PIXELS), None)
    if thin is not None:
        msg = (
            f"{thin.path}: wanted frames of at least {_LEAST_PIXELS} pixels a side, got {thin.width} x {thin.height}; "
            "let the line scan camera gather lines into frames as long as a part"
        )
        raise DataError(msg)


def _size_for(height: int, width: int) -> tuple[int, int]:
    """Round a frame's size to what networks take; larger ones are divided by the least whole number that fits."""
    divisor = -(-max(height, width) // LARGEST_INPUT)
    return _rounded(height / divisor), _rounded(width / divisor)


def _rounded(pixels: float) -> int:
    return min(max(32, 32 * round(pixels / 32)), LARGEST_INPUT)


def _moments(dataset: Dataset, spec: FrameSpec) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel on the scale 0..1, from evenly spaced training frames, one at a time.

    Of frames as the graph is given them: averaging over areas takes noise away, and the deviation with it. Sums run
    over the bytes as they are, whatever the frame's size.
    """
    import cv2

    means, squares = [], []
    for sample in evenly(dataset.of("train"), _LOOKED_AT):
        mean_of, deviation = (
            values[:, 0] / 255.0 for values in cv2.meanStdDev(prepared(read_sample(dataset, sample), spec))
        )
        means.append(mean_of)
        squares.append(deviation**2 + mean_of**2)
    mean, square = np.mean(means, axis=0), np.mean(squares, axis=0)
    std = np.sqrt(np.maximum(square - mean**2, 1e-4))
    return tuple(round(float(value), 4) for value in mean), tuple(round(float(value), 4) for value in std)
