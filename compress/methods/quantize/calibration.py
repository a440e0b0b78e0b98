"""What the quantizers are given to calibrate with, and the silence around them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....inspection.references.pairs import network_inputs
from ...recipe import GraphContext

_LARGEST_PART = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Frames as the quantizers want them: `{input name: frame}`, as often as they ask.

    Attributes:
        context: Offers the frames.
        wanted: How many are asked for, >= 1.
    """

    context: GraphContext
    wanted: int

    def __len__(self) -> int:
        """How many frames one pass gives."""
        return min(self.wanted, self.context.calibration_count)

    def __iter__(self) -> Iterator[dict[str, NDArray[np.uint8]]]:
        """Give the frames once."""
        for inputs in spread_frames(self.context, self.wanted, doing="calibrating"):
            yield dict(inputs)

    @property
    def part(self) -> int:
        """Size of equal parts that all frames can be taken in, at most 16."""
        return next(size for size in range(_LARGEST_PART, 0, -1) if len(self) % size == 0)


def onnx_runtime_reader(frames: Calibration) -> Any:
    """Turn frames into what ONNX Runtime wants: `get_next`, which gives None at the end of all or of a part."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._frames = iter(frames)
            self._left = len(frames)

        def __len__(self) -> int:
            return len(frames)

        def set_range(self, start_index: int, end_index: int) -> None:
            """Go on to the next part; ONNX Runtime asks for them in order."""
            self._left = end_index - start_index

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            self._left -= 1
            return next(self._frames, None) if self._left >= 0 else None

    return Reader()


@contextmanager
def quietly() -> Iterator[None]:
    """Keep third parties' side effects inside: importing and running the quantizers.

    NNCF logs and draws to stdout, replaces the class of all later loggers, and reports usage over the network unless
    NNCF_CI is set when it is imported. ONNX Runtime's quantizer advises on the root logger, which installs a handler.
    """
    root, logger_class = logging.getLogger(), logging.getLoggerClass()
    ci_before, disabled_before = os.environ.get("NNCF_CI"), logging.root.manager.disable
    handlers = list(root.handlers)
    os.environ["NNCF_CI"] = "1"
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logging.disable(disabled_before)
        logging.setLoggerClass(logger_class)
        root.handlers[:] = handlers
        os.environ.pop("NNCF_CI")
        if ci_before is not None:
            os.environ["NNCF_CI"] = ci_before


def spread_frames(context: GraphContext, wanted: int, *, doing: str) -> Iterator[Mapping[str, NDArray[np.uint8]]]:
    """Give at most `wanted` of the context's frames, as the graph takes them, and tell its progress.

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
            yield network_inputs(frame, reference=context.reference)
