"""How far int8 moves the score's logit, and whether another scheme moves it less."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto

FRAMES = 16
NOTICED = 0.25
"""A mean shift of the logit below this is not looked into: it moves a score of 0.5 to 0.56 at most."""

MUCH = 3.0
"""So many times the other scheme's shift is much."""

_EDGE = 1e-6
_FATAL_ONLY = 4


def logits_of(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the logits of scores in [0, 1], within +-13.8."""
    inside = np.clip(scores, _EDGE, 1 - _EDGE)
    return np.log(inside / (1 - inside))


def scores_on(model: ModelProto, frames: Iterable[Mapping[str, NDArray[np.uint8]]]) -> NDArray[np.float64]:
    """Run frames, as the graph takes them, through it with ONNX Runtime and give their scores, `[frames]`.

    Nothing is fused: ONNX Runtime's int8 kernels do not take a range per channel, as NNCF makes them for OpenVINO.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.array([float(np.squeeze(session.run(["score"], dict(inputs))[0])) for inputs in frames])


def logit_shift(scores: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Give the mean distance of two sets of scores of the same frames, in logits."""
    return float(np.abs(logits_of(scores) - logits_of(reference)).mean())


def advice(shift: float, other: float) -> str | None:
    """Say that ONNX Runtime's scheme fits the network better; None where it does not by much.

    >>> advice(0.8, 0.1)[:50]
    "moves logits by 0.8 on average, ONNX Runtime's int"
    >>> advice(0.8, 0.5) is None
    True
    """
    if shift <= MUCH * other:
        return None
    return (
        f"moves logits by {shift:.2g} on average, ONNX Runtime's int8 by {other:.2g}: scheme: onnx_runtime with its "
        "backend fits this network better"
    )
