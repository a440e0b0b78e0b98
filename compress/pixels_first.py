"""Camera pixels become numbers at the very beginning of a graph, as TensorRT wants them.

TensorRT takes uint8 at a network's inputs and outputs only, and there only into or out of a Cast: not even a Transpose
may read it (NVIDIA/TensorRT issue 3985, a maintainer's answer of 2025-02-11). Exporters move pixels first and cast
them later, since that moves a quarter of the bytes. Moving and casting can be swapped: no number changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

MOVING = frozenset({"Flatten", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"})
"""Operators that only move values: they do the same to numbers of any type."""

_SUFFIX = ".as_float"


def cast_pixels_first(model: ModelProto) -> bool:
    """Cast the uint8 inputs of a graph to float32 before anything else reads them, in place.

    Casts to float32 further on are dropped; those to another type stay, and read float32. Inputs that are joined, as a
    frame and its reference are, are cast together.

    Returns:
        Whether the graph was changed; it is left alone where something computes with uint8, which is for people to
        decide.
    """
    from onnx import TensorProto

    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    pixels = [
        each.name
        for each in graph.input
        if each.type.tensor_type.elem_type == TensorProto.UINT8 and each.name not in constants
    ]
    together = [tuple(pixels)] if _only_moved(graph, pixels) else [(name,) for name in pixels]
    changed = [_cast_first(graph, names) for names in together if _only_moved(graph, names)]
    return any(changed)


def _only_moved(graph: GraphProto, names: Sequence[str]) -> bool:
    """Whether inputs are moved before they are cast, and nothing else is done to them."""
    moved = {node.output[0] for node in _moved(graph, names)}
    readers = [node for tensor in (*names, *moved) for node in _readers(graph, tensor)]
    plain = all(node.output[0] in moved or node.op_type in ("Cast", "Shape") for node in readers)
    return bool(moved) and plain and moved.isdisjoint(each.name for each in graph.output)


def _cast_first(graph: GraphProto, names: Sequence[str]) -> bool:
    from onnx import TensorProto, helper

    stale = {node.output[0] for node in _moved(graph, names)}
    casts = [node for tensor in (*names, *sorted(stale)) for node in _readers(graph, tensor) if node.op_type == "Cast"]
    for node in graph.node:
        node.input[:] = [each + _SUFFIX if each in names else each for each in node.input]
    for cast in casts:
        if cast.attribute[0].i == TensorProto.FLOAT:
            _bypass(graph, cast)
    for name in reversed(names):
        first = helper.make_node("Cast", [name], [name + _SUFFIX], to=TensorProto.FLOAT, name=f"{name}_cast")
        graph.node.insert(0, first)
    _forget_types(graph, stale)
    return True


def _moved(graph: GraphProto, names: Sequence[str]) -> list[NodeProto]:
    """Give the nodes that only move these tensors, join them, or do so with what came of them.

    What is moved is a node's first input; what is joined are all of them.
    """
    tensors = set(names)
    found: list[NodeProto] = []
    for node in graph.node:
        joins = node.op_type == "Concat" and tensors.issuperset(node.input)
        if joins or (node.op_type in MOVING and node.input and node.input[0] in tensors):
            tensors.update(node.output)
            found.append(node)
    return found


def _readers(graph: GraphProto, name: str) -> list[NodeProto]:
    return [node for node in graph.node if name in node.input]


def _bypass(graph: GraphProto, cast: NodeProto) -> None:
    """Let everyone who reads a Cast's output read its input; where the graph gives it out, the Cast stays."""
    source, target = cast.input[0], cast.output[0]
    if any(each.name == target for each in graph.output):
        return
    for node in _readers(graph, target):
        node.input[:] = [source if each == target else each for each in node.input]
    graph.node.remove(cast)


def _forget_types(graph: GraphProto, names: set[str]) -> None:
    """Drop what the file says of tensors that are uint8 no more; it is inferred again where it is needed."""
    kept: list[Any] = [each for each in graph.value_info if each.name not in names]
    del graph.value_info[:]
    graph.value_info.extend(kept)
