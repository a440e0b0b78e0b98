"""Which operators of an inspector graph may be quantized: the network, not what stands before and behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators with weights: what quantizing and casting are about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedScope:
    """A graph's nodes by name, in graph order.

    Attributes:
        network: From the first weighted layer to the last: int8 pays here.
        last_layers: The weighted layers that no other weighted layer follows; part of `network`. Their output is the
            logit map: rounded to 256 steps, it would give many parts the same score.
        outside: Resize and normalisation before, pooling, sigmoid and heatmap behind: cheap, and exact in float.
    """

    network: tuple[str, ...]
    last_layers: tuple[str, ...]
    outside: tuple[str, ...]


def name_nodes(graph: GraphProto) -> None:
    """Give a name to each node that has none (ONNX asks for none), in place."""
    for position, node in enumerate(graph.node):
        node.name = node.name or f"{node.op_type}_{position}"


def quantized_scope(graph: GraphProto) -> QuantizedScope:
    """Divide a graph whose nodes stand in topological order (as ONNX demands) and all have names."""
    after, before = _tensors_after_weights(graph), _tensors_before_weights(graph)
    network = [
        node.name
        for node in graph.node
        if after.intersection(node.output) and (node.op_type in WEIGHTED or before.intersection(node.output))
    ]
    last = [node.name for node in graph.node if node.op_type in WEIGHTED and not before.intersection(node.output)]
    return QuantizedScope(
        network=tuple(network),
        last_layers=tuple(last),
        outside=tuple(node.name for node in graph.node if node.name not in set(network)),
    )


def leave_sums_to_layers(graph: GraphProto) -> None:
    """Take the Q/DQ pair off the layer's side of each sum whose two sides are quantized, in place.

    TensorRT then fuses the layer with the sum, and only the shortcut is read in int8 (NVIDIA, Working with Quantized
    Types: Q/DQ placement). Where both sides are layers, the one computed last gets the sum: nothing else reads it yet.
    """
    makers = {output: node for node in graph.node for output in node.output}
    order = {output: position for position, node in enumerate(graph.node) for output in node.output}
    for total in [node for node in graph.node if node.op_type == "Add"]:
        sources = [_before_pair(makers, name) for name in total.input]
        layers = [(order[name], side) for side, name in enumerate(sources) if name and _from_layer(makers, name)]
        if all(sources) and layers:
            side = max(layers)[1]
            total.input[side] = sources[side] or ""
    drop_unread_pairs(graph)


def drop_unread_pairs(graph: GraphProto) -> None:
    """Remove the QuantizeLinear and DequantizeLinear nodes whose output nobody reads, in place."""
    for kind in ("DequantizeLinear", "QuantizeLinear"):
        read = {name for node in graph.node for name in node.input} | {each.name for each in graph.output}
        for node in [each for each in graph.node if each.op_type == kind and not read.intersection(each.output)]:
            graph.node.remove(node)


def _before_pair(makers: dict[str, NodeProto], name: str) -> str | None:
    """Give the float tensor that a Q/DQ pair stands for; None where `name` is not the end of a pair."""
    second = makers.get(name)
    first = makers.get(second.input[0]) if second is not None and second.op_type == "DequantizeLinear" else None
    return str(first.input[0]) if first is not None and first.op_type == "QuantizeLinear" else None


def _from_layer(makers: dict[str, NodeProto], name: str) -> bool:
    node = makers.get(name)
    return node is not None and node.op_type in WEIGHTED


def _tensors_after_weights(graph: GraphProto) -> set[str]:
    """Give the tensors that some weighted layer has had a part in."""
    after: set[str] = set()
    for node in graph.node:
        if node.op_type in WEIGHTED or after.intersection(node.input):
            after.update(node.output)
    return after


def _tensors_before_weights(graph: GraphProto) -> set[str]:
    """Give the tensors that some weighted layer still reads, directly or through others."""
    before: set[str] = set()
    for node in reversed(graph.node):
        if node.op_type in WEIGHTED or before.intersection(node.output):
            before.update(node.input)
    return before - {""}
