"""Which of the calibration frames a graph step looks at: a few, spread evenly over all that are offered."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...recipe import GraphContext


def spread_frames(context: GraphContext, wanted: int, *, doing: str) -> Iterator[NDArray[np.uint8]]:
    """Give at most `wanted` of the context's frames and tell its progress.

    Args:
        context: Offers `calibration_count` frames.
        wanted: How many are asked for, >= 1.
        doing: What the progress is called.
    """
    offered = context.calibration_count
    count = min(wanted, offered)
    chosen = {position * offered // count for position in range(count)}
    done = 0
    for position, frame in enumerate(context.calibration()):
        if position in chosen:
            done += 1
            context.progress(doing, done, count)  # before it is handed over: nobody may ask for what follows the last
            yield frame
