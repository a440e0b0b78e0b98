"""How much of an ONNX file's weights is 2:4 sparse, also where they are stored as int8 behind DequantizeLinear.

TensorRT's sparse kernels want at least two zeros among every four consecutive input channels of each output channel, at
each place of the kernel (NVIDIA, Developer Guide: Structured Sparsity; Mishra et al. 2021, arXiv 2104.08378). The
weights stay dense in the file. Common tools look for zeros among float tensors and find none in a quantized file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .device_check.graph_index import GraphIndex, attribute, index_of, index_of_model, name_of

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_GROUP = 4
_KEPT = 2
_EVALUATED_FROM = 19  # ONNX's evaluator knows Q/DQ from this opset on; what it computes was the same before


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparsity:
    """The weighted layers of a file by what TensorRT's sparse kernels can make of them.

    Attributes:
        sparse: Names of the layers whose weights are 2:4 sparse throughout.
        dense: Names of those that could be, and are not.
        left: Names of those that cannot be, such as `conv1 (3 input channels)`.
        fraction: Share of the multiplying weights of all layers that lie in sparse ones, in [0, 1].
    """

    sparse: tuple[str, ...]
    dense: tuple[str, ...]
    left: tuple[str, ...]
    fraction: float


def sparsity_of_file(path: Path) -> Sparsity:
    """Look at an ONNX file; nothing in it is run but what its constant weights pass through.

    Raises:
        GraphError: No ONNX file, too large, or its weights lie in other files.
        MissingPartError: onnx is not installed.
    """
    return sparsity_of(index_of(path))


def sparse_fraction(model: ModelProto) -> float:
    """Give the share of a parsed model's weights that lie in 2:4 sparse layers, in [0, 1]."""
    return sparsity_of(index_of_model(model, "model")).fraction


def sparsity_of(index: GraphIndex) -> Sparsity:
    """Sort a graph's weighted layers; see `Sparsity`."""
    sparse, dense, left = [], [], []
    within = total = 0
    for node in index.weighted():
        weights = folded(index, node.input[1])
        groups = _input_channels_last(node, weights)
        total += weights.size
        if groups is None or groups.shape[-1] % _GROUP:
            left.append(f"{name_of(node)} ({_why_left(node, groups)})")
        elif is_two_of_four(groups):
            sparse.append(name_of(node))
            within += weights.size
        else:
            dense.append(name_of(node))
    fraction = within / total if total else 0.0
    return Sparsity(sparse=tuple(sparse), dense=tuple(dense), left=tuple(left), fraction=fraction)


def is_two_of_four(weights: NDArray[Any]) -> bool:
    """Say whether of every four consecutive numbers along the last axis at most two are not zero.

    Args:
        weights: `[..., channels]`, channels a multiple of 4. All zero is no sparsity but an empty layer: False.

    >>> is_two_of_four(np.array([[1, 0, 0, 2, 0, 0, 0, 3]])), is_two_of_four(np.array([[1, 2, 3, 0]]))
    (True, False)
    """
    others = np.count_nonzero(weights.reshape(*weights.shape[:-1], -1, _GROUP), axis=-1)
    return bool(others.any() and others.max() <= _KEPT)


def folded(index: GraphIndex, name: str) -> NDArray[Any]:
    """Compute a constant tensor through all that stands before it (Q/DQ, casts, transposes), as ONNX defines it.

    Args:
        index: The graph.
        name: A tensor for which `view.is_weight` holds.
    """
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    value = index.value(name)
    if value is not None:
        return value
    nodes = _behind(index, name)
    constants = {each for node in nodes for each in node.input if each in index.constants}
    graph = helper.make_graph(
        nodes,
        "weights",
        [],
        [helper.make_empty_tensor_value_info(name)],
        [_named(index, each) for each in sorted(constants)],
    )
    opset = helper.make_opsetid("", max(index.opset, _EVALUATED_FROM))
    model = helper.make_model(graph, opset_imports=[opset], ir_version=index.model.ir_version)
    (result,) = ReferenceEvaluator(model).run(None, {})
    return np.asarray(result)


def _behind(index: GraphIndex, name: str) -> list[NodeProto]:
    """Give the nodes that make a constant tensor, in the order in which they run."""
    found: list[NodeProto] = []
    while (node := index.maker(name)) is not None:
        found.insert(0, node)
        name = node.input[0]
    return found


def _named(index: GraphIndex, name: str) -> Any:
    """Give a constant under the name it is read by; the tensor in a Constant node has another, or none."""
    from onnx import numpy_helper

    return numpy_helper.from_array(np.asarray(index.value(name)), name)


def _input_channels_last(node: NodeProto, weights: NDArray[Any]) -> NDArray[Any] | None:
    """Bring a layer's weights into the form `[..., input channels]`; None for layers without sparse kernels."""
    if node.op_type == "Conv":
        return np.moveaxis(weights, 1, -1)
    if weights.ndim != 2 or node.op_type not in ("Gemm", "MatMul"):
        return None
    transposed = node.op_type == "Gemm" and attribute(node, "transB", 0)
    return weights if transposed else weights.T


def _why_left(node: NodeProto, groups: NDArray[Any] | None) -> str:
    if groups is None:
        return f"a {node.op_type} has no sparse kernel"
    return f"{groups.shape[-1]} input channel{'s' if groups.shape[-1] > 1 else ''}"
