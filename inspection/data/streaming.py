"""Samples as frames and masks: one at a time, or a stream that reads ahead while the caller works."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ..references.pairs import pair_of
from .dataset import Dataset, Rectangle, Sample, evenly
from .frame import FrameSpec
from .good_areas import mirrored
from .images import read_frame
from .kinds import defect_mask
from .preparation import prepared, tiles_of

_READ_AHEAD_FRAMES = 4
_READ_AHEAD_BYTES = 512 << 20
_HELD_BYTES = 1 << 30


def read_sample(dataset: Dataset, sample: Sample) -> NDArray[np.uint8]:
    """Read one sample as its data set is to be read, of the camera's region alone.

    Returns:
        uint8 `[height, width, file_channels]`; where the data set has references the frame above its own, as it lies,
        see `references.pairs`: `[2 * height, width, channels]`.

    Raises:
        DataError: An image cannot be read; the message names it.
    """
    frame = _read(dataset, sample.path, sample.good_area)
    if sample.reference is None:
        return frame
    return pair_of(frame, _read(dataset, sample.reference, sample.good_area))


def _read(dataset: Dataset, path: str, good_area: Rectangle | None) -> NDArray[np.uint8]:
    frame = read_frame(
        dataset.root / path, channels=dataset.file_channels, bit_depth=dataset.bit_depth, window=dataset.window
    )
    if (region := dataset.camera.region) is not None:
        frame = np.ascontiguousarray(region.cut(frame, source=path), dtype=np.uint8)
    return frame if good_area is None else mirrored(frame, good_area)


def read_sample_mask(dataset: Dataset, sample: Sample) -> NDArray[np.bool_] | None:
    """Read where a sample is defective, bool `[height, width]` as its frame; None: nobody said where.

    Raises:
        DataError: The mask cannot be read; the message names it.
    """
    return defect_mask(dataset, sample) if sample.marked else None


def frames_of(dataset: Dataset, samples: Sequence[Sample]) -> Iterator[NDArray[np.uint8]]:
    """Give the samples' frames in order, read ahead by one thread.

    At most five are held, of very large ones as many as take 512 MiB, and one that is just being read.

    Raises:
        DataError: An image cannot be read; the message names it.
    """
    waiting = iter(samples)
    most = min(_READ_AHEAD_FRAMES, max(1, _READ_AHEAD_BYTES // _largest_bytes(dataset, samples)))
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as reader:
        ahead = deque(reader.submit(read_sample, dataset, sample) for sample in islice(waiting, most))
        try:
            while ahead:
                frame = ahead.popleft().result()
                ahead.extend(reader.submit(read_sample, dataset, sample) for sample in islice(waiting, 1))
                yield frame
        finally:
            _cancel(ahead)


def held_together(dataset: Dataset, samples: Sequence[Sample], count: int) -> tuple[Sample, ...]:
    """Pick samples whose frames are to be in memory all at once, evenly spread over their order.

    Args:
        dataset: Of the samples.
        samples: To pick from.
        count: How many at most; of large frames fewer, 1 GiB in all, but never below 2.
    """
    return evenly(samples, min(count, max(2, _HELD_BYTES // _largest_bytes(dataset, samples))))


def _largest_bytes(dataset: Dataset, samples: Sequence[Sample]) -> int:
    """Of a frame, with its reference where there is one."""
    pixels = max((sample.height * sample.width for sample in samples), default=1)
    return max(1, pixels * dataset.file_channels * (2 if dataset.referenced else 1))


def prepared_frames_of(dataset: Dataset, samples: Sequence[Sample], spec: FrameSpec) -> Iterator[NDArray[np.uint8]]:
    """As `frames_of`, as a graph is given them: of frames in tiles one tile each, in turn; raises as that."""
    for number, frame in enumerate(frames_of(dataset, samples)):
        tiles = list(tiles_of(prepared(frame, spec), spec))
        yield tiles[number % len(tiles)]


def _cancel(ahead: deque[Future[NDArray[np.uint8]]]) -> None:
    for future in ahead:
        future.cancel()
