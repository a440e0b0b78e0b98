"""A graph with thinner layers: cut to other widths without training, exporting or quantizing anew, to be timed.

Which numbers are in it does not matter to how long it takes; its shapes do. Weights keep their first channels; what
stands beside them (biases, scales, a norm's parameters, shapes written as numbers) is cut to fit. The network's own
layers are found by the names that the exporter gives their weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..inspection.base.errors import GraphError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

Counts = Mapping[str, tuple[int, int]]
"""Name of a layer inside the network to its channels in and out."""

_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_QUANTIZING = frozenset({"QuantizeLinear", "DequantizeLinear"})
_PREFIX, _SUFFIX = "network.", ".weight"


def layer_nodes(exported: ModelProto) -> dict[str, str]:
    """Find the nodes of an exported graph that are layers of the network: name of the node to that of the layer.

    Quantizing keeps the nodes' names, so that they are found again in the quantized graph.
    """
    found = {}
    for node in exported.graph.node:
        if node.op_type in _WEIGHTED and node.input[1].startswith(_PREFIX) and node.input[1].endswith(_SUFFIX):
            found[node.name] = node.input[1].removeprefix(_PREFIX).removesuffix(_SUFFIX)
    return found


def narrowed(model: ModelProto, layers: Mapping[str, str], counts: Counts) -> ModelProto:
    """Cut a graph to other widths.

    Args:
        model: As exported, or quantized after that; left as it is.
        layers: What `layer_nodes` says of the exported graph.
        counts: Channels in and out of each layer.

    Raises:
        GraphError: A layer with weights is not among `layers`, so that nobody knows how wide it is to be.
    """
    import onnx

    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    del cut.graph.value_info[:]
    slicer = _GraphSlicer(graph=cut.graph)
    for node in cut.graph.node:
        if node.op_type in _WEIGHTED and (layer := layers.get(node.name)) is not None:
            slicer.cut_layer(node, *counts[layer])
        elif node.op_type in _WEIGHTED and slicer.is_narrower(node):
            msg = f"graph: layer {node.name} ({node.op_type}) has no name of the network's; its width cannot be changed"
            raise GraphError(msg)
        else:
            slicer.cut_beside(node)
    slicer.tidy()
    return cut


@dataclass(slots=True, kw_only=True)
class _GraphSlicer:
    """The state of one cut, node by node in graph order.

    Attributes:
        graph: Changed in place.
        widths: Name of a tensor to the channels that it had and has.
        constants: Name to initializer.
        makers: Name of a tensor to the node that makes it.
    """

    graph: GraphProto
    widths: dict[str, tuple[int, int]] = field(default_factory=dict)
    constants: dict[str, Any] = field(init=False)
    makers: dict[str, NodeProto] = field(init=False)

    def __post_init__(self) -> None:
        self.constants = {tensor.name: tensor for tensor in self.graph.initializer}
        self.makers = {name: node for node in self.graph.node for name in node.output}

    def is_narrower(self, node: NodeProto) -> bool:
        """Whether a node is given fewer channels than it was."""
        had, has = self._width(node)
        return had != has

    def cut_layer(self, node: NodeProto, inputs: int, outputs: int) -> None:
        """Cut a layer's weights and bias to channels in and out."""
        attributes = {each.name: each for each in node.attribute}
        weight = self._shape_of(node.input[1])
        groups = attributes["group"].i if "group" in attributes else 1
        turned = node.op_type in ("ConvTranspose", "MatMul") or (
            node.op_type == "Gemm" and not ("transB" in attributes and attributes["transB"].i)
        )
        depthwise = groups == weight[0] > 1 and not turned
        if depthwise:
            attributes["group"].i = groups = outputs
        had = weight[1] * (groups if node.op_type == "ConvTranspose" else 1) if turned else weight[0]
        sizes = (inputs, outputs // groups) if turned else (outputs, 1 if depthwise else inputs // groups)
        node.input[1] = self._cut_weight(node.input[1], sizes)
        if len(node.input) > 2 and node.input[2]:
            node.input[2] = self._cut_weight(node.input[2], (outputs,))
        self.widths[node.output[0]] = (had, outputs)

    def cut_beside(self, node: NodeProto) -> None:
        """Cut what stands beside the data in any other node, and note how wide its outputs are."""
        had, has = self._width(node)
        for name in node.output:
            self.widths[name] = (had, has)
        if had == has:
            return
        for place, name in enumerate(node.input):
            if name in self.constants:
                node.input[place] = self._cut_constant(name, had, has)

    def tidy(self) -> None:
        """Drop what nothing uses any more."""
        used = {name for node in self.graph.node for name in node.input}
        kept = [tensor for name, tensor in self.constants.items() if name in used]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)

    def _width(self, node: NodeProto) -> tuple[int, int]:
        """Give the channels that a node's data had and has; joined ones add up."""
        widths = [self.widths[name] for name in node.input if name in self.widths]
        if not widths:
            return 0, 0
        if node.op_type == "Concat":
            return sum(had for had, _ in widths), sum(has for _, has in widths)
        return max(widths)

    def _cut_weight(self, name: str, sizes: tuple[int, ...]) -> str:
        """Cut a weight, or what it is dequantized from with its scales, to its first `sizes`."""
        if name in self.constants:
            return self._sliced(name, sizes)
        maker = self.makers[name]
        if maker.op_type not in _QUANTIZING:
            msg = f"graph: a weight is made by {maker.op_type} ({maker.name}); only constant ones can be cut"
            raise GraphError(msg)
        axis = next((each.i for each in maker.attribute if each.name == "axis"), 1)
        maker.input[0] = self._cut_weight(maker.input[0], sizes)
        for place in range(1, len(maker.input)):
            if maker.input[place] in self.constants and self._shape_of(maker.input[place]) not in ((), (1,)):
                maker.input[place] = self._sliced(maker.input[place], (sizes[axis if len(sizes) > 1 else 0],))
        return name

    def _cut_constant(self, name: str, had: int, has: int) -> str:
        shape = self._shape_of(name)
        values = self._values(name)
        if values.dtype == np.int64 and len(shape) == 1 and shape[0] > 2:
            if values[1] != had:
                return name
            return self._stored(name, np.concatenate([values[:1], [has], values[2:]]).astype(np.int64))
        if shape == (had,):
            return self._sliced(name, (has,))
        if len(shape) >= 3 and shape[-3] == had:
            return self._sliced(name, (*shape[:-3], has))
        return name

    def _sliced(self, name: str, sizes: tuple[int, ...]) -> str:
        return self._stored(name, self._values(name)[tuple(slice(size) for size in sizes)])

    def _stored(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant; one that several nodes share is cut for each of them alone."""
        from onnx import numpy_helper

        if values.shape == self._shape_of(name) and values.dtype != np.int64:
            return name
        new = f"{name}:{'x'.join(map(str, values.shape))}:{len(self.constants)}"
        self.constants[new] = numpy_helper.from_array(np.ascontiguousarray(values), new)
        return new

    def _values(self, name: str) -> NDArray[Any]:
        from onnx import numpy_helper

        values: NDArray[Any] = numpy_helper.to_array(self.constants[name])
        return values

    def _shape_of(self, name: str) -> tuple[int, ...]:
        while name not in self.constants:
            name = self.makers[name].input[0]
        return tuple(self.constants[name].dims)
