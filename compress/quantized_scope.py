"""Which operators of an inspector graph may be quantized: the network, not what stands before and behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto

_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


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
        if after.intersection(node.output) and (node.op_type in _WEIGHTED or before.intersection(node.output))
    ]
    last = [node.name for node in graph.node if node.op_type in _WEIGHTED and not before.intersection(node.output)]
    return QuantizedScope(
        network=tuple(network),
        last_layers=tuple(last),
        outside=tuple(node.name for node in graph.node if node.name not in set(network)),
    )


def _tensors_after_weights(graph: GraphProto) -> set[str]:
    """Give the tensors that some weighted layer has had a part in."""
    after: set[str] = set()
    for node in graph.node:
        if node.op_type in _WEIGHTED or after.intersection(node.input):
            after.update(node.output)
    return after


def _tensors_before_weights(graph: GraphProto) -> set[str]:
    """Give the tensors that some weighted layer still reads, directly or through others."""
    before: set[str] = set()
    for node in reversed(graph.node):
        if node.op_type in _WEIGHTED or before.intersection(node.output):
            before.update(node.input)
    return before - {""}
