"""Weights that a graph computes from constants (weight_norm, spectral_norm, weight standardisation) made constants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .scope import WEIGHTED

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
_FATAL_ONLY = 4


def fold_weights(model: ModelProto) -> int:
    """Replace computed weights and biases of layers by their values, in place; gives how many.

    Quantizers look for constants there, and crash or leave the layer in float where they find a computation. What is
    computed once here is what the runtime would compute at each load, in float32 as well.

    Args:
        model: A float graph in topological order; nothing of it depends on frames in what is folded.
    """
    makers = {output: node for node in model.graph.node for output in node.output}
    constants = {tensor.name for tensor in model.graph.initializer}
    wanted = [
        name
        for node in model.graph.node
        if node.op_type in WEIGHTED
        for name in node.input[1:]
        if name in makers and _is_constant(name, makers, constants)
    ]
    computed = [name for name in dict.fromkeys(wanted) if makers[name].op_type != "Constant"]
    if computed:
        _replace(model, computed, _ancestors(computed, makers))
    return len(computed)


def _is_constant(name: str, makers: dict[str, NodeProto], constants: set[str]) -> bool:
    """Whether a tensor depends on nothing but constants."""
    waiting, seen = [name], set()
    while waiting:
        each = waiting.pop()
        if not each or each in constants or each in seen:
            continue
        seen.add(each)
        node = makers.get(each)
        if node is None or node.op_type in _RANDOM or any(item.HasField("g") or item.graphs for item in node.attribute):
            return False
        waiting.extend(node.input)
    return True


def _ancestors(names: list[str], makers: dict[str, NodeProto]) -> set[str]:
    """Give the tensors that these are computed from, and these."""
    waiting, seen = list(names), set[str]()
    while waiting:
        each = waiting.pop()
        if each in makers and each not in seen:
            seen.add(each)
            waiting.extend(makers[each].input)
    return seen


def _replace(model: ModelProto, names: list[str], computed: set[str]) -> None:
    import onnxruntime
    from onnx import ModelProto as Model
    from onnx import numpy_helper

    part = Model()
    part.CopyFrom(model)
    for field in (part.graph.node, part.graph.input, part.graph.output, part.graph.value_info):
        del field[:]
    part.graph.node.extend(node for node in model.graph.node if computed.intersection(node.output))
    part.graph.output.extend(_untyped(name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    session = onnxruntime.InferenceSession(part.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values = session.run(names, {})
    for node in list(model.graph.node):
        if set(node.output) <= set(names):
            model.graph.node.remove(node)
    for name, value in zip(names, values, strict=True):
        model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
    _drop_unread(model)


def _untyped(name: str) -> object:
    from onnx import ValueInfoProto

    return ValueInfoProto(name=name)


def _drop_unread(model: ModelProto) -> None:
    """Remove what only the folded part read, from the end on."""
    graph = model.graph
    kept = {each.name for each in graph.output}
    read = kept | {name for node in graph.node for name in _read(node)}
    for node in reversed(list(graph.node)):
        if not read.intersection(node.output):
            graph.node.remove(node)
            read = kept | {name for other in graph.node for name in _read(other)}
    for tensor in [each for each in graph.initializer if each.name not in read]:
        graph.initializer.remove(tensor)


def _read(node: NodeProto) -> set[str]:
    """Give what a node reads, what the graphs inside it read from outside among it."""
    inner = [graph for item in node.attribute for graph in (*item.graphs, *([item.g] if item.HasField("g") else []))]
    return set(node.input).union(*(_read(each) for graph in inner for each in graph.node))
