"""An ONNX file as an inspector: ours or a user's finished one, checked against the inspector contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compress.graph_bytes import lineage_of, properties_of
from ..inspection.base.errors import BeltlineError, GraphError
from ..inspection.base.storage import digest_of_file
from ..inspection.data.frame import FrameSpec
from .contracts import Graph, Precision
from .graph_reading import read_model

if TYPE_CHECKING:
    from onnx import ModelProto

FRAME_KEY = "beltline.frame"
"""Metadata property of an ONNX file that holds `FrameSpec.to_json()` as JSON."""

_WANTED = (
    "wanted input `frame` (uint8 [height, width, 1 or 3]), where it compares `reference` (uint8 [height, width, one "
    "channel more]), and outputs `score` (float32 scalar in [0, 1]) and "
    "`heatmap` (uint8 [rows, columns]), with resize, normalisation and sigmoid inside the graph"
)
_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_QUANTIZED = frozenset({"DequantizeLinear", "QLinearConv", "QLinearMatMul"})

_Shape = tuple[int | None, ...]


def open_graph(path: Path, *, checkpoint: Path | None = None) -> Graph:
    """Open a finished ONNX file, ours or a user's; nothing in it is run.

    Where the file does not say how it treats frames (property `beltline.frame`), that is read off the graph: see
    `derived_frame`.

    Args:
        path: The file; all weights inside it.
        checkpoint: The checkpoint it was exported from, if its numbers are still those.

    Raises:
        GraphError: No ONNX file, too large, weights elsewhere, operators outside ONNX, or another contract.
        MissingPartError: onnx is not installed.
    """
    model = read_model(path)
    channels, height, width, reference = _require_contract(model, path)
    frame = _stored_frame(model, path) or derived_frame(model)
    given = frame.in_graph
    found = (channels, height, width, reference)
    if found != (given.channels, given.frame_height, given.frame_width, given.reference):
        inputs = f"[{height}, {width}, {channels}]{' with a reference' if reference else ''}"
        msg = f"{path}: its property {FRAME_KEY} wants {given}, its input is {inputs}"
        raise GraphError(msg)
    return Graph(
        path=path,
        digest=digest_of_file(path),
        frame=frame,
        precision=precision_of(model),
        checkpoint=checkpoint,
        lineage=lineage_of(properties_of(model)),
    )


def frame_text(frame: FrameSpec) -> str:
    """Write a specification as the property `beltline.frame` holds it."""
    return json.dumps(frame.to_json(), sort_keys=True)


def precision_of(model: ModelProto) -> Precision:
    """Tell the precision of a model's weighted layers; one quantized layer makes it `int8`."""
    from onnx import TensorProto

    if any(node.op_type in _QUANTIZED for node in model.graph.node):
        return "int8"
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    used = {types.get(name) for node in model.graph.node if node.op_type in _WEIGHTED for name in node.input}
    return "fp16" if TensorProto.FLOAT16 in used else "fp32"


def derived_frame(model: ModelProto) -> FrameSpec:
    """Read off a graph how it treats frames, where the file does not say.

    `height` and `width` are those of the first weighted layer's input, rounded up to a multiple of 32 (the frame's own
    size where even that is unknown); `mean` and `std` are 0 and 1: the graph normalises by itself, in its own way.
    They describe; nothing is computed from them.
    """
    initialized = {tensor.name for tensor in model.graph.initializer}
    inputs = {each.name: each for each in model.graph.input if each.name not in initialized}
    frame_height, frame_width, channels = _shape_of(inputs["frame"])
    height, width = _first_layer_size(model)
    return FrameSpec(
        height=_rounded_up(height or frame_height or 32),
        width=_rounded_up(width or frame_width or 32),
        channels=channels or 0,
        mean=(0.0,) * (channels or 0),
        std=(1.0,) * (channels or 0),
        frame_height=frame_height,
        frame_width=frame_width,
        reference="reference" in inputs,
    )


def _require_contract(model: ModelProto, path: Path) -> tuple[int, int | None, int | None, bool]:
    """Check inputs and outputs; give channels, height and width (None where it varies), and whether it compares."""
    from onnx import TensorProto

    initialized = {tensor.name for tensor in model.graph.initializer}
    inputs = {each.name: each for each in model.graph.input if each.name not in initialized}
    outputs = {each.name: each for each in model.graph.output}
    if set(inputs) not in ({"frame"}, {"frame", "reference"}) or set(outputs) - {"kinds"} != {"score", "heatmap"}:
        raise _contract_error(path, f"inputs {sorted(inputs)} and outputs {sorted(outputs)}")
    kinds = {
        "frame": (inputs["frame"], TensorProto.UINT8, 3),
        "score": (outputs["score"], TensorProto.FLOAT, 0),
        "heatmap": (outputs["heatmap"], TensorProto.UINT8, 2),
        **({"kinds": (outputs["kinds"], TensorProto.UINT8, 3)} if "kinds" in outputs else {}),
    }
    if "reference" in inputs:
        kinds["reference"] = (inputs["reference"], TensorProto.UINT8, 3)
    for name, (value, kind, rank) in kinds.items():
        tensor = value.type.tensor_type
        if tensor.elem_type != kind or not tensor.HasField("shape") or len(tensor.shape.dim) != rank:
            got = f"{TensorProto.DataType.Name(tensor.elem_type)} {list(_shape_of(value))}"
            raise _contract_error(path, f"`{name}` as {got}")
    height, width, channels = _shape_of(inputs["frame"])
    if channels not in (1, 3) or 0 in (height, width):
        raise _contract_error(path, f"`frame` as [{height}, {width}, {channels}]")
    if "reference" in inputs and (shape := _shape_of(inputs["reference"])) != (height, width, channels + 1):
        raise _contract_error(path, f"`reference` as {list(shape)} beside `frame` as [{height}, {width}, {channels}]")
    return channels, height, width, "reference" in inputs


def _contract_error(path: Path, got: str) -> GraphError:
    way_out = "wrap the model so and export it again; around a teacher that is done here, where teacher.kind is written"
    return GraphError(f"{path}: {_WANTED}; got {got}; {way_out}")


def _stored_frame(model: ModelProto, path: Path) -> FrameSpec | None:
    stored = properties_of(model).get(FRAME_KEY)
    if stored is None:
        return None
    try:
        return FrameSpec.from_json(json.loads(stored))
    except (BeltlineError, ValueError, TypeError) as error:
        msg = f"{path}: its property {FRAME_KEY} is no frame specification: {error}; remove it or export again"
        raise GraphError(msg) from error


def _first_layer_size(model: ModelProto) -> tuple[int | None, int | None]:
    from onnx import shape_inference

    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {each.name: _shape_of(each) for each in (*graph.input, *graph.value_info)}
    first = next((node for node in graph.node if node.op_type in _WEIGHTED), None)
    shape = shapes.get(first.input[0], ()) if first is not None else ()
    return (shape[2], shape[3]) if len(shape) == 4 else (None, None)


def _shape_of(value: Any) -> _Shape:
    dimensions = value.type.tensor_type.shape.dim
    return tuple(max(each.dim_value, 0) if each.HasField("dim_value") else None for each in dimensions)


def _rounded_up(pixels: int) -> int:
    return min(max(-(-pixels // 32) * 32, 32), 4096)
