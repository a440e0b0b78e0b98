"""What of an ONNX operator turns to float16 with it, read off the operator's own definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_HALF = "tensor(float16)"
_STANDARD_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Float16Form:
    """An operator's float32 tensors that become float16; others (such as the scales of a Resize) stay.

    Attributes:
        inputs: Positions among its inputs.
        outputs: Positions among its outputs.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def float16_form(model: ModelProto, node: NodeProto, types: Mapping[str, int]) -> Float16Form | None:
    """Work out a node's float16 form; None where its definition has none.

    Inputs and outputs that share a type variable turn together. There is no form where a float32 output's type is not
    that of any float32 input (Cast, ConstantOfShape, If): it comes from an attribute.

    Args:
        model: Says which version of the operator is meant.
        node: Any of its nodes.
        types: `TensorProto.DataType` by tensor name.
    """
    import onnx

    if node.domain not in _STANDARD_DOMAINS:
        return None
    version = next(each.version for each in model.opset_import if each.domain in _STANDARD_DOMAINS)
    schema = onnx.defs.get_schema(node.op_type, version, "")
    takes_half = {each.type_param_str for each in schema.type_constraints if _HALF in each.allowed_type_strs}
    read = _floats(node.input, schema.inputs, types)
    given = _floats(node.output, schema.outputs, types)
    turned = set(given.values()) or set(read.values())
    if not turned <= takes_half or not turned <= set(read.values()):
        return None
    return Float16Form(
        inputs=tuple(index for index, variable in read.items() if variable in turned),
        outputs=tuple(given),
    )


def _floats(names: Sequence[str], formal: Sequence[Any], types: Mapping[str, int]) -> dict[int, str]:
    """Give the type variable of each float32 tensor by its position; the last formal parameter may repeat."""
    from onnx import TensorProto

    return {
        index: str(formal[min(index, len(formal) - 1)].type_str)
        for index, name in enumerate(names)
        if name and types.get(name) == TensorProto.FLOAT
    }


def tensor_types(model: ModelProto) -> dict[str, int]:
    """Give `TensorProto.DataType` by tensor name: inputs, outputs, constants and all that nodes compute."""
    from onnx import shape_inference

    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    values = [*graph.input, *graph.output, *graph.value_info]
    computed = {each.name: int(each.type.tensor_type.elem_type) for each in values}
    return computed | {tensor.name: int(tensor.data_type) for tensor in graph.initializer}
