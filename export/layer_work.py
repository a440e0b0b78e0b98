"""What a network's layers ask of a device: multiply-accumulates, weights and activations, read off an ONNX file."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from ..inspection.base.errors import GraphError
from ..targets.roofline import LayerWork
from .device_check.graph_index import GraphIndex, name_of

if TYPE_CHECKING:
    from onnx import NodeProto


def layer_work(index: GraphIndex) -> tuple[LayerWork, ...]:
    """Count the work of each Conv, ConvTranspose, Gemm and MatMul with constant weights, in graph order.

    Raises:
        GraphError: The size of a layer's input cannot be told from the file.
    """
    return tuple(_work(index, node) for node in index.weighted())


def _work(index: GraphIndex, node: NodeProto) -> LayerWork:
    weights = _known_shape(index, node, node.input[1])
    read, written = _known_shape(index, node, node.input[0]), _known_shape(index, node, node.output[0])
    return LayerWork(
        name=name_of(node),
        macs=_macs(node, weights, read, written),
        weights=prod(weights),
        activations=prod(read) + prod(written),
    )


def _macs(node: NodeProto, weights: tuple[int, ...], read: tuple[int, ...], written: tuple[int, ...]) -> int:
    """Every output of a convolution takes one filter's weights; every input of a transposed one meets them all."""
    if node.op_type == "Conv":
        return prod(written) * prod(weights[1:])
    if node.op_type == "ConvTranspose":
        return prod(read) * prod(weights[1:])
    return prod(written) * prod(weights) // written[-1]


def _known_shape(index: GraphIndex, node: NodeProto, name: str) -> tuple[int, ...]:
    shape = index.shapes.get(name)
    known = tuple(each for each in shape or () if each is not None)
    if shape is None or len(known) != len(shape):
        msg = (
            f"{name_of(node)}: wanted the size of {name!r} to be fixed, got {list(shape or ())}; "
            "export the model for frames of one size"
        )
        raise GraphError(msg)
    return known
