"""An ONNX file as rules look at it: who makes a tensor, who reads it, what is constant, of which type and shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...inspection.base.errors import GraphError
from ..graph_reading import STANDARD_DOMAINS, inner_graphs, parse_model

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphIndex:
    """One graph of a model with its names resolved: the main one, or one inside If, Loop, Scan or a local function.

    Attributes:
        model: The parsed file.
        graph: The graph, `onnx.GraphProto`, or `onnx.FunctionProto` for a local function.
        main: Whether it is the model's own graph, with its inputs and outputs.
        inner: The graphs inside its nodes, and the model's local functions; they see this graph's names.
        opset: Of the standard domain.
        constants: Tensors by name: initializers and the values of Constant nodes.
        makers: The node that makes a tensor, by the tensor's name.
        readers: The nodes that read a tensor.
        types: `TensorProto.DataType` by tensor name, as far as it can be inferred.
        shapes: Dimensions by tensor name, None where they vary; as far as they can be inferred.
    """

    model: ModelProto
    graph: Any
    inner: tuple[GraphIndex, ...]
    main: bool
    opset: int
    constants: Mapping[str, TensorProto]
    makers: Mapping[str, NodeProto]
    readers: Mapping[str, Sequence[NodeProto]]
    types: Mapping[str, int]
    shapes: Mapping[str, tuple[int | None, ...]]

    @property
    def nodes(self) -> Sequence[NodeProto]:
        """The graph's own nodes, in order."""
        nodes: Sequence[NodeProto] = self.graph.node
        return nodes

    def all(self) -> Iterator[GraphIndex]:
        """Give this graph and all inside it."""
        yield self
        for each in self.inner:
            yield from each.all()

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
    opset = _opset(model, origin)
    main = _index(model, model.graph, _inferred(model).graph, opset, None)
    return replace(main, inner=(*main.inner, *(_index(model, each, each, opset, None) for each in model.functions)))


def _index(model: ModelProto, graph: Any, inferred: Any, opset: int, outer: GraphIndex | None) -> GraphIndex:
    """Resolve a graph's names; those of the graphs around it count where it has none of its own."""
    values = list(_values(inferred)) if hasattr(inferred, "initializer") else []  # functions have no types of their own
    constants = _constants(graph)
    found = GraphIndex(
        model=model,
        graph=graph,
        inner=(),
        main=outer is None and hasattr(graph, "initializer"),
        opset=opset,
        constants={**(outer.constants if outer else {}), **constants},
        makers={
            **(outer.makers if outer else {}),
            **{output: node for node in graph.node for output in node.output if output},
        },
        readers=_readers(graph),
        types={
            **(outer.types if outer else {}),
            **{each.name: each.type.tensor_type.elem_type for each in values},
            **{name: tensor.data_type for name, tensor in constants.items()},
        },
        shapes={
            **(outer.shapes if outer else {}),
            **{each.name: _shape(each) for each in values if each.type.tensor_type.HasField("shape")},
            **{name: tuple(tensor.dims) for name, tensor in constants.items()},
        },
    )
    pairs = zip(inner_graphs(graph), inner_graphs(inferred), strict=True)
    return replace(found, inner=tuple(_index(model, each, other, opset, found) for each, other in pairs))


def _values(graph: Any) -> Iterator[Any]:
    yield from (*graph.input, *graph.output, *graph.value_info)


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


def _constants(graph: Any) -> dict[str, TensorProto]:
    found = {tensor.name: tensor for tensor in getattr(graph, "initializer", ())}
    made = [node for node in graph.node if node.op_type == "Constant"]
    return found | {node.output[0]: each.t for node in made for each in node.attribute if each.name == "value"}


def _readers(graph: Any) -> dict[str, list[NodeProto]]:
    found: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def _shape(value: Any) -> tuple[int | None, ...]:
    dimensions = value.type.tensor_type.shape.dim
    return tuple(each.dim_value if each.HasField("dim_value") else None for each in dimensions)
