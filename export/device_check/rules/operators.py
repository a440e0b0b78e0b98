"""Operators that TensorRT does not take, or only in some forms. Source: onnx-tensorrt's docs/operators.md."""

from __future__ import annotations

from ...graph_reading import STANDARD_DOMAINS
from ..device_runtime import DeviceRuntime
from ..findings import Hits, Rule
from ..graph_index import GraphIndex, attribute, name_of

_INTEGER = frozenset({"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"})
_RESIZE_MODES = frozenset({"nearest", "linear"})


def _opset(view: GraphIndex, runtime: DeviceRuntime) -> Hits:
    low, high = runtime.first_opset, runtime.last_opset
    if not low <= view.opset <= high and (runtime.promised or view.opset < low):
        yield "opset", f"the file has opset {view.opset}; TensorRT {runtime.tensorrt} takes {low} to {high}"


def _opset_beyond_documents(view: GraphIndex, runtime: DeviceRuntime) -> Hits:
    if not runtime.promised and view.opset > runtime.last_opset:
        yield "opset", f"the file has opset {view.opset}; up to {runtime.last_opset} is known to be taken"


def _domains(view: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in view.nodes:
        if node.domain not in STANDARD_DOMAINS:
            yield name_of(node), f"{node.domain}.{node.op_type}"


def _integer_operators(view: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in view.of_type(*_INTEGER):
        yield name_of(node), node.op_type


def _batch_norm(view: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in view.of_type("BatchNormalization"):
        yield name_of(node), "a BatchNormalization of its own"


def _max_pool(view: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in view.of_type("MaxPool"):
        if len(node.output) > 1 and node.output[1]:
            yield name_of(node), "it gives Indices"
        elif any(step != 1 for step in attribute(node, "dilations", ())):
            yield name_of(node), f"it has dilations {list(attribute(node, 'dilations'))}"


def _resize(view: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in view.of_type("Resize"):
        mode = attribute(node, "mode", b"nearest").decode()
        if mode not in _RESIZE_MODES:
            yield name_of(node), f"mode {mode}"
        elif attribute(node, "antialias", 0):
            yield name_of(node), "antialias"


def _grid_sample(view: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in view.of_type("GridSample"):
        rank = len(view.shapes.get(node.input[0], ()))
        if rank not in (0, 4):
            yield name_of(node), f"its input has {rank} dimensions"


RULES = (
    Rule(
        name="opset",
        level="refused",
        why="The parser takes a range of opsets only.",
        way_out="Export again with opset 18 (every JetPack listed takes 17 to 20).",
        find=_opset,
    ),
    Rule(
        name="opset-beyond-documents",
        level="warning",
        why="No document says that this TensorRT takes so high an opset.",
        way_out="Export again with opset 20 or lower, or try it on the device.",
        find=_opset_beyond_documents,
    ),
    Rule(
        name="standard-operators",
        level="refused",
        why="Operators outside ONNX's own domain need a plug-in on the device.",
        way_out="Export without custom operators (NNCF: quantize the ONNX file, not the torch module).",
        find=_domains,
    ),
    Rule(
        name="no-integer-operators",
        level="refused",
        why="TensorRT has no parser for operators that compute on integers; it wants Q/DQ around float ones.",
        way_out="Quantize in QDQ format (ONNX Runtime: quant_format=QuantFormat.QDQ, static).",
        find=_integer_operators,
    ),
    Rule(
        name="folded-batch-norm",
        level="warning",
        why="A BatchNormalization that stands alone hinders fusion of quantized layers.",
        way_out="Fold it into the layer before it: export in eval mode, or onnxruntime's quant_pre_process.",
        find=_batch_norm,
    ),
    Rule(
        name="max-pool-form",
        level="refused",
        why="MaxPool with Indices or dilations is not taken.",
        way_out="Use a plain MaxPool or a strided convolution.",
        find=_max_pool,
    ),
    Rule(
        name="resize-form",
        level="refused",
        why="Resize is taken as nearest or linear, without antialias.",
        way_out="Resize with mode linear and antialias 0, and check the scores again.",
        find=_resize,
    ),
    Rule(
        name="grid-sample-rank",
        level="refused",
        why="GridSample takes 4 dimensions only.",
        way_out="Reshape to [N, C, H, W] around it.",
        find=_grid_sample,
    ),
)
