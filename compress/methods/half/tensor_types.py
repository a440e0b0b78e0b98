"""Of which type each tensor of an ONNX graph is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto


def tensor_types(model: ModelProto) -> dict[str, int]:
    """Give `TensorProto.DataType` by tensor name: inputs, outputs, constants and all that nodes compute."""
    from onnx import shape_inference

    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    values = [*graph.input, *graph.output, *graph.value_info]
    computed = {each.name: int(each.type.tensor_type.elem_type) for each in values}
    return computed | {tensor.name: int(tensor.data_type) for tensor in graph.initializer}
