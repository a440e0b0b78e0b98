"""Rewrite a graph so that chosen operators run in float16, with casts where float16 and float32 meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...pixels_first import cast_pixels_first
from ..quantize.scope import name_nodes
from .form import float16_form, tensor_types
from .plan import LARGEST

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

_SCALES_HAVE_TYPES = 19


def ready_for_float16(model: ModelProto) -> ModelProto:
    """Give a copy with named nodes, constants as initializers, pixels cast first, and an opset with float16 scales.

    Only quantized graphs are lifted to opset 19: from there on DequantizeLinear gives the type of its scale.
    """
    from onnx import ModelProto as Model
    from onnx import version_converter

    ready = Model()
    quantized = any(node.op_type == "DequantizeLinear" for node in model.graph.node)
    opset = next(each.version for each in model.opset_import if not each.domain or each.domain == "ai.onnx")
    older = quantized and opset < _SCALES_HAVE_TYPES
    ready.CopyFrom(version_converter.convert_version(model, _SCALES_HAVE_TYPES) if older else model)
    _lift_constants(ready)
    cast_pixels_first(ready)
    name_nodes(ready.graph)
    return ready


def cast_nodes(model: ModelProto, half: frozenset[str]) -> None:
    """Let the nodes named `half` run in float16, in place; all types elsewhere stay.

    Args:
        model: As `ready_for_float16` gives it.
        half: Names of nodes that `float16_plan.plan_float16` chose.
    """
    graph = model.graph
    types = tensor_types(model)
    work = _Rewriting(types=types, constants={tensor.name: tensor for tensor in graph.initializer})
    for node in graph.node:
        form = float16_form(model, node, types) if node.name in half else None
        work.take(node, inputs=form.inputs if form else (), outputs=form.outputs if form else ())
    _keep_one_scale(work, half)
    del graph.node[:]
    graph.node.extend(work.nodes)
    graph.initializer.extend(work.halved.values())
    del graph.value_info[:]
    _drop_unread(model)


@dataclass(slots=True, kw_only=True)
class _Rewriting:
    """The new graph as it grows, node by node in the old order."""

    types: Mapping[str, int]
    constants: Mapping[str, TensorProto]
    turned: set[str] = field(default_factory=set)
    nodes: list[NodeProto] = field(default_factory=list)
    halved: dict[str, TensorProto] = field(default_factory=dict)
    casts: dict[tuple[str, int], str] = field(default_factory=dict)

    def take(self, node: NodeProto, *, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> None:
        """Append a node whose inputs and outputs at these positions are float16, with the casts that it needs."""
        from onnx import TensorProto

        for index, name in enumerate(node.input):
            if self.types.get(name) != TensorProto.FLOAT:
                continue
            wanted = TensorProto.FLOAT16 if index in inputs else TensorProto.FLOAT
            if name in self.constants:
                node.input[index] = self.constant(name) if wanted == TensorProto.FLOAT16 else name
            elif (wanted == TensorProto.FLOAT16) != (name in self.turned):
                node.input[index] = self._cast(name, wanted)
        self.turned.update(node.output[index] for index in outputs)
        self.nodes.append(node)

    def constant(self, name: str) -> str:
        """Give the name of a constant in float16; it is made once."""
        from onnx import numpy_helper

        halved = f"{name}.float16"
        if halved not in self.halved:
            values = np.asarray(numpy_helper.to_array(self.constants[name]))
            finite = np.where(np.isfinite(values), np.clip(values, -LARGEST, LARGEST), values)
            self.halved[halved] = numpy_helper.from_array(finite.astype(np.float16), halved)
        return halved

    def _cast(self, name: str, wanted: int) -> str:
        from onnx import TensorProto, helper

        if (name, wanted) not in self.casts:
            made = f"{name}.{TensorProto.DataType.Name(wanted).lower()}"
            self.nodes.append(helper.make_node("Cast", [name], [made], name=f"Cast_{made}", to=wanted))
            self.casts[name, wanted] = made
        return self.casts[name, wanted]


def _keep_one_scale(work: _Rewriting, half: frozenset[str]) -> None:
    """Where only one end of a Q/DQ pair went to float16, let both use the same rounded scale."""
    from onnx import numpy_helper

    makers = {output: node for node in work.nodes for output in node.output}
    for second in [node for node in work.nodes if node.op_type == "DequantizeLinear" and node.name in half]:
        first = makers.get(second.input[0])
        if first is None or first.op_type != "QuantizeLinear" or first.name in half:
            continue
        rounded = f"{second.input[1]}.float32"
        values: Any = numpy_helper.to_array(work.halved[second.input[1]])
        work.halved[rounded] = numpy_helper.from_array(np.asarray(values, dtype=np.float32), rounded)
        first.input[1] = rounded


def _lift_constants(model: ModelProto) -> None:
    """Turn Constant nodes that hold a tensor into initializers, in place."""
    graph = model.graph
    for node in [each for each in graph.node if each.op_type == "Constant"]:
        value = next((each.t for each in node.attribute if each.name == "value"), None)
        if value is not None:
            lifted = graph.initializer.add()
            lifted.CopyFrom(value)
            lifted.name = node.output[0]
            graph.node.remove(node)


def _drop_unread(model: ModelProto) -> None:
    graph = model.graph
    read = {name for node in graph.node for name in node.input} | {each.name for each in graph.output}
    for tensor in [each for each in graph.initializer if each.name not in read]:
        graph.initializer.remove(tensor)
