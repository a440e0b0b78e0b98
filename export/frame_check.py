"""The one question every session asks before it lets a frame near its engine."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..inspection.base.errors import DataError
from ..inspection.data.frame import FrameSpec

_UINT8 = np.dtype(np.uint8)


def require_frame(frame: Any, spec: FrameSpec) -> None:
    """Refuse what the model does not take: a wrong type would be converted silently, a wrong layout read as noise.

    Args:
        frame: Wanted: C-contiguous uint8 array `[height, width, channels]`.
        spec: What the model takes; its `frame_height` and `frame_width` bind where they are set.

    Raises:
        DataError: Type, dimensions, size or memory layout differ.
    """
    if not isinstance(frame, np.ndarray) or frame.dtype != _UINT8:
        raise DataError(_wanted(spec, f"type {getattr(frame, 'dtype', type(frame).__name__)}"))
    if frame.ndim != 3 or frame.shape[2] != spec.channels or 0 in frame.shape:
        raise DataError(_wanted(spec, f"shape {frame.shape}"))
    if spec.frame_height is not None and frame.shape[0] != spec.frame_height:
        raise DataError(_wanted(spec, f"shape {frame.shape}"))
    if spec.frame_width is not None and frame.shape[1] != spec.frame_width:
        raise DataError(_wanted(spec, f"shape {frame.shape}"))
    if not frame.flags.c_contiguous:
        raise DataError(_wanted(spec, f"strides {frame.strides}; use numpy.ascontiguousarray(frame)"))


def _wanted(spec: FrameSpec, got: str) -> str:
    height = spec.frame_height or "height"
    width = spec.frame_width or "width"
    return f"frame: wanted C-contiguous uint8 [{height}, {width}, {spec.channels}], got {got}"
