"""What every session does with a frame before its engine sees it: refuse what does not fit, align the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inspection.base.errors import DataError
from ..inspection.data.frame import FrameSpec
from ..inspection.references.pairs import compared

_UINT8 = np.dtype(np.uint8)
_REJECTED = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphInputs:
    """What a graph is given of one frame.

    Attributes:
        arrays: Name of an input to uint8 `[height, width, depth]`, C-contiguous.
        alignment: How surely the reference lies where it should, in [0, 1]; None: nothing is compared.
        aligned: Whether the model's score counts.
    """

    arrays: dict[str, NDArray[np.uint8]]
    alignment: float | None = None
    aligned: bool = True

    def judged(self, score: float) -> float:
        """Give the frame's score: the model's, or 1 where the reference could not be moved onto the frame."""
        return score if self.aligned else _REJECTED


def graph_inputs(frame: Any, spec: FrameSpec) -> GraphInputs:
    """Check a frame, and where the model compares move its reference onto it: this belongs to pre-processing.

    Args:
        frame: Wanted: C-contiguous uint8 array `[height, width, channels]`, or the frame above its reference.
        spec: What the model takes.

    Raises:
        DataError: As for `require_frame`.
    """
    require_frame(frame, spec)
    if not spec.reference:
        return GraphInputs(arrays={"frame": frame})
    both = compared(frame)
    return GraphInputs(
        arrays={"frame": both.frame, "reference": both.reference}, alignment=both.confidence, aligned=both.aligned
    )


def require_frame(frame: Any, spec: FrameSpec) -> None:
    """Refuse what the model does not take: a wrong type would be converted silently, a wrong layout read as noise.

    Args:
        frame: Wanted: C-contiguous uint8 array `[height, width, frame_channels]`; where the model compares, of twice
            the height: the frame above its reference.
        spec: What the model takes; its `frame_height` and `frame_width` bind where they are set, see `FrameSpec.takes`.

    Raises:
        DataError: Type, dimensions, size or memory layout differ.
    """
    if not isinstance(frame, np.ndarray) or frame.dtype != _UINT8:
        raise DataError(_wanted(spec, f"type {getattr(frame, 'dtype', type(frame).__name__)}"))
    if frame.ndim != 3 or frame.shape[2] != spec.frame_channels or 0 in frame.shape:
        raise DataError(_wanted(spec, f"shape {frame.shape}"))
    times = 2 if spec.reference else 1
    if frame.shape[0] % times or not spec.takes(frame.shape[0] // times, frame.shape[1]):
        raise DataError(_wanted(spec, f"shape {frame.shape}"))
    if not frame.flags.c_contiguous:
        raise DataError(_wanted(spec, f"strides {frame.strides}; use numpy.ascontiguousarray(frame)"))


def _wanted(spec: FrameSpec, got: str) -> str:
    height: int | str = spec.frame_height or "height"
    width = spec.frame_width or "width"
    whole = "" if spec.region is None else " (the region cut out) or a whole frame that holds the region"
    what = "frame"
    if spec.reference:
        what, height = "frame above its reference", f"2 * {height}"
    return f"{what}: wanted C-contiguous uint8 [{height}, {width}, {spec.frame_channels}]{whole}, got {got}"
