"""Which operators of a graph may run in float16, and why the others may not.

float16 holds magnitudes from 6.1e-5 (below that it loses digits) to 65504. An operator stays in float32 where

- what it reads or gives came too near to 65504 on the frames watched, or never reached 6.1e-5;
- a constant of it lies outside, all its weights lie below, or the scale of a Q/DQ pair before it loses too much;
- it adds up many numbers or is steep (means over whole maps, norms, softmax, exp): sums overflow where results do not;
- ONNX has no float16 form of it, or its output is the graph's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..quantize.scope import WEIGHTED, name_nodes, quantized_scope
from .form import Float16Form, float16_form, tensor_types

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

LARGEST = 65504.0
SMALLEST_NORMAL = 2.0**-14

_HALF_A_STEP = 1 / 256  # rounding a scale may move the largest of 127 steps by half a step

_PAIR = ("QuantizeLinear", "DequantizeLinear")
_SUMS = frozenset(
    {"CumSum", "Exp", "GlobalAveragePool", "GroupNormalization", "InstanceNormalization", "LayerNormalization"}
    | {"LogSoftmax", "LpNormalization", "MeanVarianceNormalization", "Pow", "ReduceL1", "ReduceL2", "ReduceLogSum"}
    | {"ReduceLogSumExp", "ReduceMean", "ReduceSum", "ReduceSumSquare", "RMSNormalization", "Softmax"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Float16Plan:
    """What becomes of the network's operators, by name, Q/DQ among them where they follow.

    Attributes:
        half: Those that run in float16.
        kept: Those that stay in float32 although they are part of the network, with the reason, in graph order.
    """

    half: frozenset[str]
    kept: tuple[tuple[str, str], ...]


def plan_float16(model: ModelProto, ranges: Mapping[str, float], *, headroom: float) -> Float16Plan:
    """Decide for each operator of the network; a graph's nodes get names where they have none.

    Args:
        model: A valid graph, quantized or not; Constant nodes turned into initializers.
        ranges: What `activation_ranges.largest_magnitudes` found.
        headroom: How far activations must stay below 65504, >= 1.
    """
    name_nodes(model.graph)
    chosen = _Chosen.at(model, ranges, headroom)
    network = set(quantized_scope(model.graph).network)
    reasons = {
        node.name: chosen.why_kept(node)
        for node in model.graph.node
        if node.name in network and node.op_type not in _PAIR
    }
    half = {name for name, why in reasons.items() if why is None}
    half |= chosen.pairs_that_follow(half)
    return Float16Plan(half=frozenset(half), kept=tuple((name, why) for name, why in reasons.items() if why))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """A graph with its names resolved, and what is known of its tensors."""

    model: ModelProto
    types: Mapping[str, int]
    constants: Mapping[str, Any]
    makers: Mapping[str, NodeProto]
    ranges: Mapping[str, float]
    limit: float

    @classmethod
    def at(cls, model: ModelProto, ranges: Mapping[str, float], headroom: float) -> _Chosen:
        graph = model.graph
        return cls(
            model=model,
            types=tensor_types(model),
            constants={tensor.name: tensor for tensor in graph.initializer},
            makers={output: node for node in graph.node for output in node.output},
            ranges=ranges,
            limit=LARGEST / headroom,
        )

    def why_kept(self, node: NodeProto) -> str | None:
        """Say why a node stays in float32; None where float16 holds it."""
        form = float16_form(self.model, node, self.types)
        if form is None:
            return f"ONNX has no float16 form of {node.op_type}"
        if node.op_type in _SUMS:
            return f"{node.op_type} needs float32's range"
        if any(output.name in node.output for output in self.model.graph.output):
            return "its output is the graph's own"
        faults = (*self._constant_faults(node, form), *self._scale_faults(node), *self._activation_faults(node, form))
        return next(iter(faults), None)

    def pairs_that_follow(self, half: set[str]) -> set[str]:
        """Give the names of Q/DQ nodes that go to float16: DQ with all that read it, Q with what it reads."""
        pairs = [node for node in self.model.graph.node if node.op_type in _PAIR and not self._scale_fault(node)]
        readers = self._readers()
        later = {
            node.name
            for node in pairs
            if node.op_type == "DequantizeLinear" and readers[node.output[0]] and readers[node.output[0]] <= half
        }
        known = half | later
        earlier = {
            node.name
            for node in pairs
            if node.op_type == "QuantizeLinear"
            and (maker := self.makers.get(node.input[0])) is not None
            and maker.name in known
        }
        return later | earlier

    def _readers(self) -> dict[str, set[str]]:
        """Give the names of the nodes that read a tensor; who reads a graph's own output has no name."""
        found: dict[str, set[str]] = {name: set() for node in self.model.graph.node for name in node.output}
        for output in self.model.graph.output:
            found[output.name].add("")
        for node in self.model.graph.node:
            for name in node.input:
                found.setdefault(name, set()).add(node.name)
        return found

    def _constant_faults(self, node: NodeProto, form: Float16Form) -> Iterator[str]:
        for name in (node.input[index] for index in form.inputs if node.input[index] in self.constants):
            largest = self._largest(name)
            if largest > LARGEST:
                yield f"its constant {name} reaches {largest:.3g}"
            elif node.op_type in WEIGHTED and name == node.input[1] and 0 < largest < SMALLEST_NORMAL:
                yield f"its weights are all below {SMALLEST_NORMAL:.2g}"

    def _scale_faults(self, node: NodeProto) -> Iterator[str]:
        for name in node.input:
            maker = self.makers.get(name)
            if maker is not None and maker.op_type in _PAIR and (fault := self._scale_fault(maker)):
                yield fault

    def _scale_fault(self, pair: NodeProto) -> str | None:
        if pair.input[1] not in self.constants:
            return "a scale before it is computed"
        for scale in self._value(pair.input[1]).astype(np.float64).ravel():
            rounded = float(np.float16(min(scale, LARGEST)))
            if abs(rounded - scale) > _HALF_A_STEP * scale:
                return f"a scale before it is {scale:.3g}"
        return None

    def _activation_faults(self, node: NodeProto, form: Float16Form) -> Iterator[str]:
        read = [node.input[index] for index in form.inputs]
        for name in [*read, *(node.output[index] for index in form.outputs)]:
            largest = self.ranges.get(name)
            if largest is None:
                continue
            if largest > self.limit:
                yield f"{name} reached {largest:.3g}"
            elif 0 < largest < SMALLEST_NORMAL:
                yield f"{name} stayed below {largest:.2g}"

    def _largest(self, name: str) -> float:
        """Give the largest finite magnitude of a constant, 0 where it has none; infinities stay what they are."""
        values = np.abs(self._value(name).astype(np.float64))
        return float(np.max(values, where=np.isfinite(values), initial=0.0))

    def _value(self, name: str) -> NDArray[Any]:
        from onnx import numpy_helper

        return np.asarray(numpy_helper.to_array(self.constants[name]))


_FATAL_ONLY = 4
_SUFFIX = ".largest_magnitude"


def largest_magnitudes(model: ModelProto, frames: Iterable[Mapping[str, NDArray[np.uint8]]]) -> dict[str, float]:
    """Run frames through a graph and give the largest magnitude of each float32 tensor that a node computes.

    The maxima are taken inside the graph, so that memory stays that of the model.

    Args:
        model: Left as it is.
        frames: At least one, as the graph takes it: name of the input to uint8 `[height, width, depth]`.
    """
    watched = _float_activations(model)
    session = _session(_with_maxima(model, watched))
    wanted = [f"{name}{_SUFFIX}" for name in watched]
    largest = np.zeros(len(watched))
    for inputs in frames:
        found = np.array([float(each) for each in session.run(wanted, dict(inputs))])
        largest = np.fmax(largest, np.where(np.isnan(found), np.inf, found))
    return dict(zip(watched, largest.tolist(), strict=True))


def _float_activations(model: ModelProto) -> list[str]:
    from onnx import TensorProto

    types = tensor_types(model)
    outputs = [name for node in model.graph.node for name in node.output if name]
    return [name for name in outputs if types.get(name) == TensorProto.FLOAT]


def _with_maxima(model: ModelProto, watched: list[str]) -> ModelProto:
    from onnx import ModelProto as Model
    from onnx import TensorProto, helper

    watching = Model()
    watching.CopyFrom(model)
    graph = watching.graph
    for name in watched:
        magnitude, largest = f"{name}.magnitude", f"{name}{_SUFFIX}"
        graph.node.append(helper.make_node("Abs", [name], [magnitude]))
        graph.node.append(helper.make_node("ReduceMax", [magnitude], [largest], keepdims=0))
        graph.output.append(helper.make_tensor_value_info(largest, TensorProto.FLOAT, []))
    return watching


def _session(model: ModelProto) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
