"""Layers of an int8 graph put back to float, one by one: as they were before, everything else as it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from .scope import drop_unread_pairs

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

_IN_FLOAT = ".in_float"
_PAIR = frozenset({"QuantizeLinear", "DequantizeLinear"})


def rounded_nodes(quantized: ModelProto, given: ModelProto) -> tuple[str, ...]:
    """Name the nodes that read rounded values, in graph order.

    Args:
        quantized: Made from `given`; nodes and tensors kept their names.
        given: The float model; all its nodes have names.
    """
    rounded = {output for node in quantized.graph.node if node.op_type == "DequantizeLinear" for output in node.output}
    known = {node.name for node in given.graph.node}
    return tuple(
        node.name
        for node in quantized.graph.node
        if node.name in known and node.op_type not in _PAIR and rounded.intersection(node.input)
    )


def left_in_float(quantized: ModelProto, given: ModelProto, names: Collection[str]) -> ModelProto:
    """Give a copy of the int8 model in which some nodes read float weights and float activations again.

    The scales of all others stay: nothing is calibrated anew, so one pair of models gives every mixture. What such a
    node computes is rounded again by whoever reads it rounded.

    Args:
        quantized: As for `rounded_nodes`; no activation was folded into a zero point.
        given: The float model.
        names: Of the nodes.
    """
    from onnx import ModelProto as Model

    mixed = Model()
    mixed.CopyFrom(quantized)
    before = {node.name: node for node in given.graph.node}
    constants = _constants_of(mixed.graph, given.graph)
    for node in mixed.graph.node:
        if node.name in names:
            del node.input[:]
            node.input.extend(constants.get(each, each) for each in before[node.name].input)
    _add_constants(mixed.graph, given.graph, constants)
    drop_unread_pairs(mixed.graph)
    _drop_unread_weights(mixed.graph)
    return mixed


def _constants_of(graph: GraphProto, given: GraphProto) -> dict[str, str]:
    """Name the float constants in the int8 graph; ONNX Runtime calls a rounded bias as the bias was called."""
    taken = {output for node in graph.node for output in node.output}
    return {each.name: f"{each.name}{_IN_FLOAT}" if each.name in taken else each.name for each in given.initializer}


def _add_constants(graph: GraphProto, given: GraphProto, constants: Mapping[str, str]) -> None:
    """Add the float constants that some node reads and that are not there."""
    read = {name for node in graph.node for name in node.input}
    known = {tensor.name for tensor in graph.initializer}
    for tensor in given.initializer:
        if (name := constants[tensor.name]) in read - known:
            graph.initializer.add().CopyFrom(tensor)
            graph.initializer[-1].name = name


def _drop_unread_weights(graph: GraphProto) -> None:
    read = {name for node in graph.node for name in node.input} | {each.name for each in graph.output}
    for tensor in [each for each in graph.initializer if each.name not in read]:
        graph.initializer.remove(tensor)
