"""An ONNX file as rules look at it: who makes a tensor, who reads it, what is constant, of which type and shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...inspection.base.errors import GraphError
from ..graph_reading import STANDARD_DOMAINS, parse_model

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphIndex:
    """A model's main graph with its names resolved. Subgraphs of If and Loop are not looked into.

    Attributes:
        model: The parsed file.
        opset: Of the standard domain.
        constants: Tensors by name: initializers and the values of Constant nodes.
        makers: The node that makes a tensor, by the tensor's name.
        readers: The nodes that read a tensor.
        types: `TensorProto.DataType` by tensor name, as far as it can be inferred.
        shapes: Dimensions by tensor name, None where they vary; as far as they can be inferred.
    """

    model: ModelProto
    opset: int
    constants: Mapping[str, TensorProto]
    makers: Mapping[str, NodeProto]
    readers: Mapping[str, Sequence[NodeProto]]
    types: Mapping[str, int]
    shapes: Mapping[str, tuple[int | None, ...]]

    @property
    def nodes(self) -> Sequence[NodeProto]:
        """All nodes of the main graph, in order."""
        nodes: Sequence[NodeProto] = self.model.graph.node
        return nodes

    def of_type(self, *kinds: str) -> list[NodeProto]:
        """Give the nodes of these operator types."""
        return [node for node in self.nodes if node.op_type in kinds]

    def value(self, name: str) -> NDArray[Any] | None:
        """Give a constant's values, or None where a tensor is computed or absent."""
        from onnx import numpy_helper

        tensor = self.constants.get(name)
        return None if tensor is None else np.asarray(numpy_helper.to_array(tensor))

    def maker(self, name: str) -> NodeProto | None:
        """Give the node that computes a tensor; None for inputs and constants."""
        node = self.makers.get(name)
        return None if node is None or node.op_type == "Constant" else node

    def weighted(self) -> list[NodeProto]:
        """Give Conv, ConvTranspose, Gemm and MatMul nodes that have constant weights, quantized or not."""
        return [node for node in self.of_type(*WEIGHTED) if len(node.input) > 1 and self.is_weight(node.input[1])]

    def is_weight(self, name: str) -> bool:
        """Say whether a tensor is constant, also behind Q/DQ and casts."""
        while (node := self.maker(name)) is not None:
            if node.op_type not in ("DequantizeLinear", "QuantizeLinear", "Cast", "Transpose", "Reshape"):
                return False
            name = node.input[0]
        return name in self.constants

    def is_quantized(self, name: str) -> bool:
        """Say whether a tensor comes out of a DequantizeLinear."""
        node = self.maker(name)
        return node is not None and node.op_type == "DequantizeLinear"


def name_of(node: NodeProto) -> str:
    """Name a node for people: its own name, else its first output."""
    return node.name or f"{node.op_type} -> {node.output[0] if node.output else '?'}"


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """Give a node's attribute as a Python value."""
    from onnx import helper

    found = next((each for each in node.attribute if each.name == name), None)
    return default if found is None else helper.get_attribute_value(found)


def index_of(path: Path) -> GraphIndex:
    """Open any ONNX file, also one with operators that ONNX does not know; nothing in it is run.

    Raises:
        GraphError: No ONNX file, too large, or its weights lie in other files.
        MissingPartError: onnx is not installed.
    """
    return index_of_model(parse_model(path), str(path))


def index_of_model(model: ModelProto, origin: str) -> GraphIndex:
    """Resolve the names of a parsed model; `origin` names it in messages.

    Raises:
        GraphError: It does not say which opset its operators are from.
    """
    inferred = _inferred(model)
    values = [*inferred.graph.input, *inferred.graph.output, *inferred.graph.value_info]
    constants = _constants(model)
    return GraphIndex(
        model=model,
        opset=_opset(model, origin),
        constants=constants,
        makers={output: node for node in model.graph.node for output in node.output if output},
        readers=_readers(model),
        types={each.name: each.type.tensor_type.elem_type for each in values}
        | {name: tensor.data_type for name, tensor in constants.items()},
        shapes={each.name: _shape(each) for each in values if each.type.tensor_type.HasField("shape")}
        | {name: tuple(tensor.dims) for name, tensor in constants.items()},
    )


def _inferred(model: ModelProto) -> ModelProto:
    """Infer shapes as far as that goes; where an operator is unknown it goes less far."""
    from onnx import shape_inference

    try:
        return shape_inference.infer_shapes(model, data_prop=True)
    except (shape_inference.InferenceError, RuntimeError, ValueError):
        return model


def _opset(model: ModelProto, origin: str) -> int:
    found = [each.version for each in model.opset_import if each.domain in STANDARD_DOMAINS]
    if not found:
        msg = f"{origin}: wanted an opset of ONNX's own operators, got none; export the model again"
        raise GraphError(msg)
    return int(max(found))


def _constants(model: ModelProto) -> dict[str, TensorProto]:
    found = {tensor.name: tensor for tensor in model.graph.initializer}
    made = [node for node in model.graph.node if node.op_type == "Constant"]
    return found | {node.output[0]: each.t for node in made for each in node.attribute if each.name == "value"}


def _readers(model: ModelProto) -> dict[str, list[NodeProto]]:
    found: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def _shape(value: Any) -> tuple[int | None, ...]:
    dimensions = value.type.tensor_type.shape.dim
    return tuple(each.dim_value if each.HasField("dim_value") else None for each in dimensions)
