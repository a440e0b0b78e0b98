"""Int8 as far as escapes allow: the layers that move defect scores most stay in float until the gate holds on val.

NNCF's accuracy control does this for one metric; here it is the paired escape gate of the line, on the runtime that the
recipe ends in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ....inspection.statistics.quality import Paired
from ...graph_bytes import graph_bytes, properties_of
from ...recipe import EscapeJudge, Progress
from .scope import drop_unread_pairs
from .shifts import logits_of

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatLayer:
    """A layer that stayed in float.

    Attributes:
        name: Of the node.
        shift: By how much the score's logit moves, on average over frames, where this layer alone is in int8.
    """

    name: str
    shift: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """A graph that is int8 as far as escapes allow.

    Attributes:
        model: The graph.
        rounded: How many nodes the whole int8 graph rounds the inputs of.
        floats: Those that stayed in float, those that moved scores most first.
        escapes: What escapes on val, against the teacher.
        limit: What its upper bound had to keep to.
    """

    model: ModelProto
    rounded: int
    floats: tuple[FloatLayer, ...]
    escapes: Paired
    limit: float

    def lineage(self) -> str:
        """Say which layers stayed in float and why, in one line for lineage and report."""
        kept = f"{self.rounded - len(self.floats)} of {self.rounded} nodes in int8"
        named = ", ".join(f"{each.name} (alone it moves logits by {each.shift:.2g})" for each in self.floats)
        seen = f"{self.escapes.new_escapes} new and {self.escapes.recovered} recovered escapes against the teacher"
        bound = f"a rise of {100 * self.escapes.increase_upper:.3g} points at most, {100 * self.limit:.3g} allowed"
        return f"{kept}{f'; in float: {named}' if named else ''}; on val {seen}, {bound}"


def keep_escapes(
    quantized: ModelProto, given: ModelProto, judge: EscapeJudge, *, ranked_on: int, progress: Progress
) -> Mixture:
    """Put the most harmful layers back to float, one after the other, until the escape gate holds on val.

    Args:
        quantized: The whole network in int8.
        given: The float model that it was made from; its properties say how it treats frames.
        judge: Scores graphs.
        ranked_on: Frames of val that layers are ranked on.
        progress: Told of every layer.
    """
    names = rounded_nodes(quantized, given)
    with _scoring(judge, given) as score:
        limit = escape_limit(judge, judge.escapes(score(given, None)))
        mixed, found, floats = quantized, judge.escapes(score(quantized, None)), list[FloatLayer]()
        if found.increase_upper > limit:
            shifts = layer_shifts(quantized, given, lambda model: score(model, ranked_on), progress=progress)
            worst_first = sorted(shifts, key=lambda each: -each.shift)
            while found.increase_upper > limit and len(floats) < len(worst_first):
                floats.append(worst_first[len(floats)])
                mixed = left_in_float(quantized, given, {each.name for each in floats})
                found = judge.escapes(score(mixed, None))
                progress("leaving layers in float", len(floats), len(worst_first))
    return Mixture(model=mixed, rounded=len(names), floats=tuple(floats), escapes=found, limit=limit)


def layer_shifts(
    quantized: ModelProto, given: ModelProto, score: Callable[[ModelProto], NDArray[np.float64]], *, progress: Progress
) -> list[FloatLayer]:
    """Measure for each node how far scores move where it alone is rounded, in graph order.

    Args:
        quantized: The whole network in int8.
        given: The float model.
        score: Gives `[frames]` in [0, 1], of the same frames each time.
        progress: Told of every node.
    """
    names = rounded_nodes(quantized, given)
    reference = logits_of(score(given))
    found: list[FloatLayer] = []
    for done, name in enumerate(names):
        alone = left_in_float(quantized, given, set(names) - {name})
        found.append(FloatLayer(name=name, shift=float(np.abs(logits_of(score(alone)) - reference).mean())))
        progress("ranking layers", done + 1, len(names))
    return found


@contextmanager
def _scoring(
    judge: EscapeJudge, given: ModelProto
) -> Iterator[Callable[[ModelProto, int | None], NDArray[np.float64]]]:
    """Give a function that scores models on val; each is written to a file, as a runtime wants it."""
    properties = properties_of(given)
    with TemporaryDirectory(prefix="beltline-mixtures-") as folder:

        def score(model: ModelProto, at_most: int | None) -> NDArray[np.float64]:
            copy = type(model)()
            copy.CopyFrom(model)  # what is written is tidied up in place
            path = Path(folder) / "mixture.onnx"
            path.write_bytes(graph_bytes(copy, properties=properties))
            return judge.scores(path, at_most=at_most)

        yield score


def escape_limit(judge: EscapeJudge, given: Paired) -> float:
    """Give the upper bound of the rise that a step may end with.

    Args:
        judge: Knows the gate.
        given: What the graph that came in lets escape: where that misses the gate already, no step can be asked to
            hold it, but each can be asked to lose nothing more.
    """
    return max(judge.allowed, given.increase_upper)


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
