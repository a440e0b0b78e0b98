"""Types and shapes that TensorRT does not have, or that cost time on a Jetson."""

from __future__ import annotations

import numpy as np

from ..device_runtime import DeviceRuntime
from ..findings import Hits, Rule
from ..graph_index import GraphIndex, name_of

_LARGEST_INT32 = (1 << 31) - 1
_TAKE_PIXELS = frozenset({"Cast", "DequantizeLinear", "Shape"})  # quantized uint8 has rules of its own


def _double(index: GraphIndex, _: DeviceRuntime) -> Hits:
    from onnx import TensorProto

    for name, kind in index.types.items():
        if kind == TensorProto.DOUBLE:
            yield name, "float64"


def _long_integers(index: GraphIndex, _: DeviceRuntime) -> Hits:
    from onnx import TensorProto

    for name, tensor in index.constants.items():
        if tensor.data_type == TensorProto.INT64:
            values = index.value(name)
            if values is not None and values.size and np.abs(values.astype(np.float64)).max() > _LARGEST_INT32:
                yield name, f"int64 with values up to {values.max()}"


def _float_leftovers(index: GraphIndex, _: DeviceRuntime) -> Hits:
    from onnx import TensorProto

    kinds = {name_of(node): index.types.get(node.input[1]) for node in index.weighted()}
    if TensorProto.FLOAT16 in kinds.values():
        for name, kind in kinds.items():
            if kind == TensorProto.FLOAT:
                yield name, "float32 weights in a float16 file"


def _varying_inputs(index: GraphIndex, _: DeviceRuntime) -> Hits:
    if not index.main:
        return
    for value in index.model.graph.input:
        if value.name not in index.constants and None in (shape := index.shapes.get(value.name, (None,))):
            yield value.name, f"its shape is {list(shape)}"


def _pixels(index: GraphIndex, _: DeviceRuntime) -> Hits:
    from onnx import TensorProto

    for node in index.nodes:
        if node.op_type in _TAKE_PIXELS:
            continue
        for name in node.input:
            if index.types.get(name) == TensorProto.UINT8 and name not in index.constants:
                yield name_of(node), f"a {node.op_type} reads uint8"


RULES = (
    Rule(
        name="no-float64",
        level="warning",
        why="TensorRT has no float64: it casts to float32 and clamps.",
        way_out="Export in float32.",
        find=_double,
    ),
    Rule(
        name="int64-range",
        level="warning",
        why="Integers above 2^31 - 1 may be clamped.",
        way_out="Keep indices and sizes within int32.",
        find=_long_integers,
    ),
    Rule(
        name="float16-throughout",
        level="warning",
        why="Strongly typed engines run what the file says: a float32 layer stays slow.",
        way_out="Cast the layer too, unless it overflows float16.",
        find=_float_leftovers,
    ),
    Rule(
        name="fixed-input-shape",
        level="warning",
        why="An input whose shape varies needs an optimization profile, and CUDA graphs need a fixed one.",
        way_out="Export with the line's frame size, or build with --minShapes, --optShapes and --maxShapes.",
        find=_varying_inputs,
    ),
    Rule(
        name="uint8-only-into-cast",
        level="refused",
        why="Only a Cast may read uint8, not even a Transpose (NVIDIA/TensorRT issue 3985).",
        way_out="`--repair` casts pixels first, exactly; the backend tensor_rt and `quantize` for it do so anyway.",
        find=_pixels,
    ),
)
