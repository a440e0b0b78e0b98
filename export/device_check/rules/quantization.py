"""What TensorRT asks of QuantizeLinear and DequantizeLinear: explicit, symmetric, int8.

Sources: NVIDIA, Working with Quantized Types; onnx-tensorrt's docs/operators.md and importer (release 10.x).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..device_runtime import DeviceRuntime
from ..findings import Hits, Rule
from ..graph_index import GraphIndex, attribute, name_of

if TYPE_CHECKING:
    from onnx import NodeProto

_OUTPUT_CHANNEL = {"Conv": (0,), "ConvTranspose": (1,), "Gemm": (0, 1), "MatMul": (1,)}
"""Axes of a weight along which scales may differ; Gemm's depends on `transB`."""


def _quantizers(index: GraphIndex) -> list[NodeProto]:
    return index.of_type("QuantizeLinear", "DequantizeLinear")


def _scales(index: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in _quantizers(index):
        scale = index.value(node.input[1])
        if scale is None:
            yield name_of(node), f"its scale {node.input[1]!r} is computed"
        elif not (np.isfinite(scale).all() and (scale > 0).all()):
            yield name_of(node), f"its smallest scale is {scale.min():g}"


def _zero_points(index: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in _quantizers(index):
        if len(node.input) < 3 or not node.input[2]:
            continue
        zero = index.value(node.input[2])
        if zero is None:
            yield name_of(node), f"its zero point {node.input[2]!r} is computed"
        elif zero.any():
            yield name_of(node), f"its zero point is {int(zero.ravel()[np.flatnonzero(zero)[0]])}"


def _integer_type(index: GraphIndex, node: NodeProto) -> int:
    """Give the integer type on a quantizer's quantized side: uint8 where ONNX's default applies."""
    from onnx import TensorProto

    if len(node.input) > 2 and node.input[2]:
        return index.types.get(node.input[2], TensorProto.UNDEFINED)
    if node.op_type == "DequantizeLinear":
        return index.types.get(node.input[0], TensorProto.UNDEFINED)
    return int(attribute(node, "output_dtype", 0)) or TensorProto.UINT8


def _is_bias(index: GraphIndex, node: NodeProto) -> bool:
    from onnx import TensorProto

    return bool(node.op_type == "DequantizeLinear" and _integer_type(index, node) == TensorProto.INT32)


def _unsigned(index: GraphIndex, _: DeviceRuntime) -> Hits:
    from onnx import TensorProto

    for node in _quantizers(index):
        kind = _integer_type(index, node)
        if kind not in (TensorProto.INT8, TensorProto.INT32):
            yield name_of(node), f"it works in {TensorProto.DataType.Name(kind).lower()}"


def _integer_bias(index: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in _quantizers(index):
        if _is_bias(index, node):
            yield name_of(node), f"it makes {node.output[0]!r} from int32"


def _per_channel_activations(index: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in _quantizers(index):
        scale = index.value(node.input[1])
        if scale is not None and scale.size > 1 and not index.is_weight(node.input[0]):
            yield name_of(node), f"it has {scale.size} scales for an activation"


def _weight_axis(index: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in index.weighted():
        maker = index.maker(node.input[1])
        if maker is None or maker.op_type != "DequantizeLinear":
            continue
        scale = index.value(maker.input[1])
        if scale is None or scale.size <= 1:
            continue
        axis = attribute(maker, "axis", 1)
        wanted = _OUTPUT_CHANNEL[node.op_type]
        if node.op_type == "Gemm":
            wanted = (0,) if attribute(node, "transB", 0) else (1,)
        if axis not in wanted and axis + len(index.shapes.get(node.input[1], ())) not in wanted:
            yield name_of(maker), f"its scales run along axis {axis} of the weights of {node.op_type}"


def _scale_type(index: GraphIndex, _: DeviceRuntime) -> Hits:
    from onnx import TensorProto

    if index.opset < 19:
        return
    for node in index.of_type("QuantizeLinear"):
        tensor, scale = index.types.get(node.input[0]), index.types.get(node.input[1])
        if tensor and scale and tensor != scale:
            names = [TensorProto.DataType.Name(kind).lower() for kind in (scale, tensor)]
            yield name_of(node), f"its scale is {names[0]}, its input {names[1]}"


def _half_quantized(index: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in index.weighted():
        activation, weight = index.is_quantized(node.input[0]), index.is_quantized(node.input[1])
        if activation != weight:
            yield name_of(node), f"only its {'activation' if activation else 'weight'} is quantized"


def _per_tensor_weights(index: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in index.weighted():
        maker = index.maker(node.input[1])
        if maker is not None and maker.op_type == "DequantizeLinear":
            scale, shape = index.value(maker.input[1]), index.shapes.get(node.input[1], ())
            if scale is not None and scale.size == 1 and node.op_type == "Conv" and shape and (shape[0] or 0) > 1:
                yield name_of(node), "one scale for all its output channels"


def _residual_add(index: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in index.of_type("Add"):
        if any(index.is_weight(name) for name in node.input):
            continue
        quantized = sum(index.is_quantized(name) for name in node.input)
        if quantized != 1 and any(_near_quantized(index, name) for name in node.input):
            yield name_of(node), f"{quantized} of its 2 inputs are quantized"


def _near_quantized(index: GraphIndex, name: str) -> bool:
    """Say whether an Add's input comes from a quantized layer, directly or through its own Q/DQ."""
    node = index.maker(name)
    while node is not None and node.op_type in ("DequantizeLinear", "QuantizeLinear", "Relu"):
        node = index.maker(node.input[0])
    return node is not None and len(node.input) > 1 and index.is_quantized(node.input[1])


def _between_layer_and_relu(index: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in index.of_type("Relu", "Clip", "LeakyRelu"):
        dequantizer = index.maker(node.input[0])
        if dequantizer is None or dequantizer.op_type != "DequantizeLinear":
            continue
        for layer in _layers_behind(index, dequantizer):
            yield name_of(node), f"a Q/DQ pair lies between it and {name_of(layer)}"


def _layers_behind(index: GraphIndex, dequantizer: NodeProto) -> Iterator[NodeProto]:
    quantizer = index.maker(dequantizer.input[0])
    if quantizer is not None and quantizer.op_type == "QuantizeLinear":
        layer = index.maker(quantizer.input[0])
        if layer is not None and layer.op_type in _OUTPUT_CHANNEL:
            yield layer


_AGAIN = "Quantize again for TensorRT: symmetric int8 for activations and weights."

RULES = (
    Rule(
        name="scale-positive",
        level="refused",
        why="Scales must be constants above 0.",
        way_out=_AGAIN,
        find=_scales,
    ),
    Rule(
        name="zero-point-zero",
        level="refused",
        why="TensorRT quantizes symmetrically: it refuses any zero point but 0.",
        way_out="`--repair` moves uint8 around 128 to int8 exactly; any other zero point needs symmetric calibration.",
        find=_zero_points,
    ),
    Rule(
        name="int8-only",
        level="refused",
        why="TensorRT reads uint8 as int8 with a warning only: all values above 127 saturate silently.",
        way_out="`--repair` rewrites a zero point of 0 as int8 with scale x 255/127; else quantize again with int8.",
        find=_unsigned,
    ),
    Rule(
        name="no-int32-bias",
        level="refused",
        why="A bias that is stored as int32 behind DequantizeLinear is refused.",
        way_out="`--repair` stores it as float32, which is the same number; ONNX Runtime: QuantizeBias=False.",
        find=_integer_bias,
    ),
    Rule(
        name="activation-per-tensor",
        level="refused",
        why="Scales per channel are taken for weights only.",
        way_out="Calibrate again with one scale per activation.",
        find=_per_channel_activations,
    ),
    Rule(
        name="weight-axis",
        level="refused",
        why="Weights may have one scale per output channel only (Conv: axis 0).",
        way_out="Quantize again with the scales along the output channels.",
        find=_weight_axis,
    ),
    Rule(
        name="scale-type",
        level="refused",
        why="From opset 19 on a scale must have its tensor's type.",
        way_out="Cast the scales to the tensor's type (fp16 model: fp16 scales), or stay below opset 19.",
        find=_scale_type,
    ),
    Rule(
        name="half-quantized",
        level="warning",
        why="A layer runs in int8 only if both its activation and its weights are quantized.",
        way_out="Quantize both, or neither.",
        find=_half_quantized,
    ),
    Rule(
        name="weight-per-channel",
        level="warning",
        why="One scale for all output channels costs accuracy and gains no time.",
        way_out="Quantize weights per output channel.",
        find=_per_tensor_weights,
    ),
    Rule(
        name="residual-add",
        level="warning",
        why="Conv + Add fuse into one int8 kernel if just the shortcut is quantized.",
        way_out="Quantize the shortcut of the Add and leave the side of the convolution.",
        find=_residual_add,
    ),
    Rule(
        name="relu-behind-quantizer",
        level="warning",
        why="A Q/DQ pair between a layer and its ReLU keeps the two from being fused.",
        way_out="Quantize behind the ReLU.",
        find=_between_layer_and_relu,
    ),
)
