"""Samples as frames: one at a time, or a stream that reads ahead while the caller works."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset, Sample
from .images import read_frame

_READ_AHEAD_FRAMES = 4


def read_sample(dataset: Dataset, sample: Sample) -> NDArray[np.uint8]:
    """Read one sample as its data set is to be read: uint8 `[height, width, channels]`.

    Raises:
        DataError: The image cannot be read; the message names it.
    """
    return read_frame(
        dataset.root / sample.path, channels=dataset.channels, bit_depth=dataset.bit_depth, window=dataset.window
    )


def frames_of(dataset: Dataset, samples: Sequence[Sample]) -> Iterator[NDArray[np.uint8]]:
    """Give the samples' frames in order, read ahead by one thread; at most five are held.

    Raises:
        DataError: An image cannot be read; the message names it.
    """
    waiting = iter(samples)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as reader:
        ahead = deque(reader.submit(read_sample, dataset, sample) for sample in islice(waiting, _READ_AHEAD_FRAMES))
        try:
            while ahead:
                frame = ahead.popleft().result()
                ahead.extend(reader.submit(read_sample, dataset, sample) for sample in islice(waiting, 1))
                yield frame
        finally:
            _cancel(ahead)


def _cancel(ahead: deque[Future[NDArray[np.uint8]]]) -> None:
    for future in ahead:
        future.cancel()
