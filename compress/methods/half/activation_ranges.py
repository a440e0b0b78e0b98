"""How large a graph's activations get on real frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .tensor_types import tensor_types

if TYPE_CHECKING:
    from onnx import ModelProto

_FATAL_ONLY = 4
_SUFFIX = ".largest_magnitude"


def largest_magnitudes(model: ModelProto, frames: Iterable[NDArray[np.uint8]]) -> dict[str, float]:
    """Run frames through a graph and give the largest magnitude of each float32 tensor that a node computes.

    The maxima are taken inside the graph, so that memory stays that of the model.

    Args:
        model: With the input `frame`; left as it is.
        frames: uint8 `[height, width, channels]`, at least one.
    """
    watched = _float_activations(model)
    session = _session(_with_maxima(model, watched))
    wanted = [f"{name}{_SUFFIX}" for name in watched]
    largest = np.zeros(len(watched))
    for frame in frames:
        found = np.array([float(each) for each in session.run(wanted, {"frame": frame})])
        largest = np.fmax(largest, np.where(np.isnan(found), np.inf, found))
    return dict(zip(watched, largest.tolist(), strict=True))


def _float_activations(model: ModelProto) -> list[str]:
    from onnx import TensorProto

    types = tensor_types(model)
    outputs = [name for node in model.graph.node for name in node.output if name]
    return [name for name in outputs if types.get(name) == TensorProto.FLOAT]


def _with_maxima(model: ModelProto, watched: list[str]) -> ModelProto:
    from onnx import ModelProto as Model
    from onnx import TensorProto, helper

    watching = Model()
    watching.CopyFrom(model)
    graph = watching.graph
    for name in watched:
        magnitude, largest = f"{name}.magnitude", f"{name}{_SUFFIX}"
        graph.node.append(helper.make_node("Abs", [name], [magnitude]))
        graph.node.append(helper.make_node("ReduceMax", [magnitude], [largest], keepdims=0))
        graph.output.append(helper.make_tensor_value_info(largest, TensorProto.FLOAT, []))
    return watching


def _session(model: ModelProto) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
