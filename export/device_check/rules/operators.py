"""Operators that TensorRT does not take, or only in some forms. Source: onnx-tensorrt's docs/operators.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ...graph_reading import STANDARD_DOMAINS
from ..device_runtime import DeviceRuntime
from ..findings import Hits, Rule
from ..graph_index import GraphIndex, attribute, name_of

if TYPE_CHECKING:
    from onnx import NodeProto

_INTEGER = frozenset({"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"})
_COORDINATES = frozenset({"half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn", "asymmetric", "align_corners"})
_LARGEST_RANK = 5
_RESIZE_MODES = frozenset({"nearest", "linear"})


def _opset(index: GraphIndex, runtime: DeviceRuntime) -> Hits:
    quantized = any(each.of_type("QuantizeLinear", "DequantizeLinear") for each in index.all())
    low, high = runtime.first_quantized_opset if quantized else runtime.first_opset, runtime.last_opset
    if not low <= index.opset <= high and (runtime.promised or index.opset < low):
        taken = f"{low} to {high}{' of quantized files' if quantized else ''}"
        yield "opset", f"the file has opset {index.opset}; TensorRT {runtime.tensorrt} takes {taken}"


def _opset_beyond_documents(index: GraphIndex, runtime: DeviceRuntime) -> Hits:
    if not runtime.promised and index.opset > runtime.last_opset:
        yield "opset", f"the file has opset {index.opset}; up to {runtime.last_opset} is known to be taken"


def _domains(index: GraphIndex, _: DeviceRuntime) -> Hits:
    own = {(each.domain, each.name) for each in index.model.functions}
    for node in index.nodes:
        if node.domain not in STANDARD_DOMAINS and (node.domain, node.op_type) not in own:
            yield name_of(node), f"{node.domain}.{node.op_type}"


def _unlisted(index: GraphIndex, runtime: DeviceRuntime) -> Hits:
    for node in index.nodes:
        standard = node.domain in STANDARD_DOMAINS and node.op_type not in _INTEGER  # they have a rule of their own
        if standard and runtime.takes(node.op_type) is False:
            yield name_of(node), f"{node.op_type}, which the parser of TensorRT {runtime.tensorrt} does not list"


def _undated(index: GraphIndex, runtime: DeviceRuntime) -> Hits:
    for node in index.nodes:
        if node.domain in STANDARD_DOMAINS and runtime.takes(node.op_type) is None:
            yield name_of(node), node.op_type


def _forms(index: GraphIndex, runtime: DeviceRuntime) -> Hits:
    for node in index.nodes:
        for seen in _FORMS.get(node.op_type, _nothing)(index, node, runtime):
            yield name_of(node), seen


def _nothing(_view: GraphIndex, _node: NodeProto, _runtime: DeviceRuntime) -> Iterator[str]:
    yield from ()


def _convolution(index: GraphIndex, node: NodeProto, _: DeviceRuntime) -> Iterator[str]:
    if (rank := len(index.shapes.get(node.input[1], ()))) > _LARGEST_RANK:
        yield f"its weights have {rank} dimensions; up to {_LARGEST_RANK} are taken"


def _pool(_view: GraphIndex, node: NodeProto, _: DeviceRuntime) -> Iterator[str]:
    if any(step != 1 for step in attribute(node, "dilations", ())):
        yield f"it has dilations {list(attribute(node, 'dilations'))}"


def _scatter(_view: GraphIndex, node: NodeProto, _: DeviceRuntime) -> Iterator[str]:
    if (reduction := attribute(node, "reduction", b"none")) != b"none":
        yield f"reduction {reduction.decode()}"


def _layer_norm(_view: GraphIndex, node: NodeProto, _: DeviceRuntime) -> Iterator[str]:
    if any(node.output[1:]):
        yield "it gives more than its first output"


def _lstm(_view: GraphIndex, node: NodeProto, _: DeviceRuntime) -> Iterator[str]:
    yield from (f"{name} is set" for name in ("input_forget", "layout") if attribute(node, name, 0))


def _top_k(_view: GraphIndex, node: NodeProto, _: DeviceRuntime) -> Iterator[str]:
    if not attribute(node, "sorted", 1):
        yield "sorted is 0"


def _einsum(_view: GraphIndex, node: NodeProto, runtime: DeviceRuntime) -> Iterator[str]:
    if b"..." in attribute(node, "equation", b"") and runtime.version < (10, 12):
        yield "its equation has an ellipsis"


def _integer_operators(index: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in index.of_type(*_INTEGER):
        yield name_of(node), node.op_type


def _batch_norm(index: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in index.of_type("BatchNormalization"):
        yield name_of(node), "a BatchNormalization of its own"


def _max_pool(index: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in index.of_type("MaxPool"):
        if len(node.output) > 1 and node.output[1]:
            yield name_of(node), "it gives Indices"
        elif any(step != 1 for step in attribute(node, "dilations", ())):
            yield name_of(node), f"it has dilations {list(attribute(node, 'dilations'))}"


def _resize(index: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in index.of_type("Resize"):
        mode = attribute(node, "mode", b"nearest").decode()
        if mode not in _RESIZE_MODES:
            yield name_of(node), f"mode {mode}"
        elif attribute(node, "antialias", 0):
            yield name_of(node), "antialias"
        elif (how := attribute(node, "coordinate_transformation_mode", b"half_pixel").decode()) not in _COORDINATES:
            yield name_of(node), f"coordinate_transformation_mode {how}"
        elif (policy := attribute(node, "keep_aspect_ratio_policy", b"stretch").decode()) != "stretch":
            yield name_of(node), f"keep_aspect_ratio_policy {policy}"


def _grid_sample(index: GraphIndex, _: DeviceRuntime) -> Hits:
    for node in index.of_type("GridSample"):
        rank = len(index.shapes.get(node.input[0], ()))
        if rank not in (0, 4):
            yield name_of(node), f"its input has {rank} dimensions"


_FORMS: dict[str, Callable[[GraphIndex, NodeProto, DeviceRuntime], Iterator[str]]] = {
    "Conv": _convolution,
    "ConvTranspose": _convolution,
    "AveragePool": _pool,
    "LpPool": _pool,
    "ScatterND": _scatter,
    "LayerNormalization": _layer_norm,
    "LSTM": _lstm,
    "TopK": _top_k,
    "Einsum": _einsum,
}

RULES = (
    Rule(
        name="opset",
        level="refused",
        why="The parser takes a range of opsets only.",
        way_out="Export again with opset 18 (every JetPack listed takes 9 to 20, and 17 to 20 of quantized files).",
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
        name="listed-operators",
        level="refused",
        why="The parser takes the operators of its published table only; anything else needs a plug-in on the device.",
        way_out="Write it with other operators, or leave it out of the exported part.",
        find=_unlisted,
    ),
    Rule(
        name="undated-operators",
        level="warning",
        why="No document says that this TensorRT takes the operator; a later one does.",
        way_out="Try it on the device, or export with a lower opset, which writes it with plain operators.",
        find=_undated,
    ),
    Rule(
        name="operator-form",
        level="refused",
        why="The parser's table takes the operator in other forms only.",
        way_out="Write it in a form that is taken.",
        find=_forms,
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
        why="Resize is taken as nearest or linear, stretched, without antialias, with the usual coordinates.",
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
