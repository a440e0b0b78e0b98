"""float16 as tensor cores compute it, in ONNX Runtime on a CPU: products added up in float32, every result rounded.

ONNX Runtime has no float16 kernels for x86. It runs such a graph in float32 and takes the roundings between its
operators out, so that it shows what rounding the weights does, and nothing of the rest. Here each float16 tensor is a
float32 one that was cast to float16 and back: its value is just what float16 would hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...compress.methods.half.form import tensor_types

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto


def with_float16_rounding(model: ModelProto) -> ModelProto:
    """Give a graph that computes in float32 what `model` computes in float16.

    Args:
        model: With operators in float16, as the step `half` writes it; left as it is.
    """
    from onnx import ModelProto as Model
    from onnx import TensorProto

    types = tensor_types(model)
    rounded = Model()
    rounded.CopyFrom(model)
    graph = rounded.graph
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            _to_float32(tensor)
    nodes: list[NodeProto] = []
    for node in graph.node:
        nodes += _rounding(node, types)
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]
    return rounded


def _rounding(node: NodeProto, types: dict[str, int]) -> list[NodeProto]:
    """Give a node with casts behind each of its float16 outputs; a cast to float16 needs only the way back."""
    from onnx import TensorProto, helper

    made = [node]
    for index, name in enumerate(node.output):
        if types.get(name) != TensorProto.FLOAT16:
            continue
        half, before = f"{name}.half", f"{name}.exact"
        if node.op_type == "Cast":
            node.output[index] = half
        else:
            node.output[index] = before
            made.append(helper.make_node("Cast", [before], [half], name=f"{half}_cast", to=TensorProto.FLOAT16))
        made.append(helper.make_node("Cast", [half], [name], name=f"{name}_back", to=TensorProto.FLOAT))
    return made


def _to_float32(tensor: TensorProto) -> None:
    from onnx import numpy_helper

    values = np.asarray(numpy_helper.to_array(tensor)).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
