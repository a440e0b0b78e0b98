"""What a graph looks like when the numbers in its weights are passed over: engines take as long for any numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...inspection.base.storage import digest_of_json

if TYPE_CHECKING:
    from onnx import ModelProto


def graph_form(model: ModelProto) -> str:
    """Give `sha256:<hex>` of a graph's operators, their settings and how they hang together, and its weights' shapes.

    Two trainings of one network, exported and quantized alike, have the same form.
    """
    graph = model.graph
    numbers: dict[str, int] = {}

    def number(name: str) -> int:
        return numbers.setdefault(name, len(numbers))

    nodes: list[Any] = [
        [node.op_type, [number(name) for name in node.input], [number(name) for name in node.output], _settings(node)]
        for node in graph.node
    ]
    shapes = sorted((number(tensor.name), tensor.data_type, tuple(tensor.dims)) for tensor in graph.initializer)
    return digest_of_json([nodes, [[at, kind, list(dims)] for at, kind, dims in shapes]])


def _settings(node: Any) -> list[list[str]]:
    settled = sorted((each.name, each.SerializeToString(deterministic=True).hex()) for each in node.attribute)
    return [list(each) for each in settled]
