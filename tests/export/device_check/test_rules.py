"""Every rule has a model that trips it, made by a real producer where one makes it, and a model that does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from beltline.compress.methods.quantize import METHOD, QuantizeStep
from beltline.compress.recipe import GraphContext
from beltline.export.contracts import Frame, Graph
from beltline.export.device_check.check import RULES, check_file
from beltline.export.device_check.device_runtime import RUNTIMES, runtime_named
from beltline.export.device_check.repair import repair_file
from beltline.inspection.base.errors import GraphError
from onnx import ModelProto, TensorProto, helper, numpy_helper

JETPACK = RUNTIMES["jetpack6.2"]
RNG = np.random.default_rng(0)


def rules_broken(path: Path, runtime: str = "jetpack6.2") -> set[str]:
    return {finding.rule for finding in check_file(path, RUNTIMES[runtime]).findings}


def model_of(
    nodes: list[Any], constants: dict[str, Any], *, opset: int = 18, kind: int = TensorProto.FLOAT
) -> ModelProto:
    """Make a model from `x` [1, 4, 8, 8] to `y`."""
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", kind, [1, 4, 8, 8])],
        [helper.make_tensor_value_info("y", kind, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    domains = {node.domain for node in nodes if node.domain}
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=imports)


def pair(tensor: str, name: str, *, suffix: str = "") -> list[Any]:
    """Quantize and dequantize a tensor with the constants `scale` and `zero`."""
    return [
        helper.make_node(
            "QuantizeLinear", [tensor, f"scale{suffix}", f"zero{suffix}"], [f"{name}_q"], name=f"{name}_Q"
        ),
        helper.make_node(
            "DequantizeLinear", [f"{name}_q", f"scale{suffix}", f"zero{suffix}"], [name], name=f"{name}_D"
        ),
    ]


def int8_layer(**changed: Any) -> ModelProto:
    """Make a legal quantized convolution; `changed` replaces constants or attributes."""
    constants = {
        "scale": np.float32(0.1),
        "zero": np.int8(0),
        "weight": RNG.integers(-127, 127, (4, 4, 3, 3)).astype(np.int8),
        "weight_scale": np.full(4, 0.01, np.float32),
        "weight_zero": np.zeros(4, np.int8),
    }
    constants |= {key: value for key, value in changed.items() if key in constants}
    weight = helper.make_node(
        "DequantizeLinear", ["weight", "weight_scale", "weight_zero"], ["w"], axis=changed.get("axis", 0), name="W"
    )
    layer = helper.make_node("Conv", ["xq", "w"], ["c"], pads=[1] * 4, name="layer")
    tail = [helper.make_node("Relu", ["c"], ["y"], name="relu")]
    return model_of([*pair("x", "xq"), weight, layer, *tail], constants, opset=changed.get("opset", 18))


def plain(*nodes: Any, opset: int = 18, **constants: Any) -> ModelProto:
    return model_of(list(nodes), constants, opset=opset)


def half_quantized() -> ModelProto:
    layer = helper.make_node("Conv", ["xq", "w"], ["y"], name="layer")
    weight = RNG.normal(size=(4, 4, 1, 1)).astype(np.float32)
    return model_of([*pair("x", "xq"), layer], {"scale": np.float32(0.1), "zero": np.int8(0), "w": weight})


def residual(quantized_sides: int) -> ModelProto:
    model = int8_layer()
    graph = model.graph
    graph.node[-1].output[0] = "r"
    for name in ("x", "r")[:quantized_sides]:
        graph.node.extend(pair(name, f"{name}_side"))
    ends = [f"{name}_side" if index < quantized_sides else name for index, name in enumerate(("x", "r"))]
    graph.node.append(helper.make_node("Add", ends, ["y"], name="add"))
    return model


def quantizer_before_relu() -> ModelProto:
    model = int8_layer()
    relu = model.graph.node.pop()
    model.graph.node.extend([*pair("c", "cq"), helper.make_node("Relu", ["cq"], list(relu.output), name="relu")])
    return model


def int32_bias() -> ModelProto:
    model = int8_layer()
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.arange(4, dtype=np.int32), "bias"),
            numpy_helper.from_array(np.float32(0.001), "bias_scale"),
        ]
    )
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", ["bias", "bias_scale"], ["b"], name="B"))
    next(node for node in model.graph.node if node.op_type == "Conv").input.append("b")
    return model


def float_leftover() -> ModelProto:
    half, single = (RNG.normal(size=(4, 4, 1, 1)).astype(kind) for kind in (np.float16, np.float32))
    nodes = [
        helper.make_node("Conv", ["x", "half"], ["a"], name="fast"),
        helper.make_node("Cast", ["a"], ["b"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["b", "single"], ["c"], name="slow"),
        helper.make_node("Cast", ["c"], ["y"], to=TensorProto.FLOAT16),
    ]
    return model_of(nodes, {"half": half, "single": single}, kind=TensorProto.FLOAT16)


def varying() -> ModelProto:
    model = plain(helper.make_node("Relu", ["x"], ["y"]))
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    return model


def grid_of_five_dimensions() -> ModelProto:
    nodes = [
        helper.make_node("Unsqueeze", ["x", "axis"], ["v"]),
        helper.make_node("GridSample", ["v", "grid"], ["y"], name="grid"),
    ]
    return model_of(nodes, {"axis": np.array([2]), "grid": np.zeros((1, 1, 8, 8, 3), np.float32)}, opset=20)


def norm() -> ModelProto:
    names = ("gain", "offset", "mean", "spread")
    node = helper.make_node("BatchNormalization", ["x", *names], ["y"], name="norm")
    return model_of([node], {name: np.ones(4, np.float32) for name in names})


def resize(**how: Any) -> ModelProto:
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], **how)
    return model_of([node], {"scales": np.array([1, 1, 0.5, 0.5], np.float32)})


def moved_pixels() -> ModelProto:
    """Make what exporters make of a camera frame: moved first, cast then."""
    model = plain(
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["t"], ["y"], to=TensorProto.FLOAT),
    )
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    return model


TRIPPING: dict[str, Callable[[], ModelProto]] = {
    "opset": lambda: plain(helper.make_node("Relu", ["x"], ["y"]), opset=21),
    "standard-operators": lambda: plain(helper.make_node("FakeQuantize", ["x"], ["y"], domain="org.openvinotoolkit")),
    "no-integer-operators": lambda: plain(
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ),
    "folded-batch-norm": norm,
    "max-pool-form": lambda: plain(helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], dilations=[2, 2])),
    "resize-form": lambda: resize(mode="cubic"),
    "grid-sample-rank": grid_of_five_dimensions,
    "scale-positive": lambda: int8_layer(scale=np.float32(0)),
    "zero-point-zero": lambda: int8_layer(zero=np.int8(3)),
    "int8-only": lambda: int8_layer(zero=np.uint8(0)),
    "no-int32-bias": int32_bias,
    "activation-per-tensor": lambda: int8_layer(scale=np.full(4, 0.1, np.float32), zero=np.zeros(4, np.int8)),
    "weight-axis": lambda: int8_layer(axis=1),
    "scale-type": lambda: int8_layer(scale=np.float16(0.1), opset=19),
    "half-quantized": half_quantized,
    "weight-per-channel": lambda: int8_layer(weight_scale=np.float32(0.01), weight_zero=np.int8(0)),
    "residual-add": lambda: residual(2),
    "relu-behind-quantizer": quantizer_before_relu,
    "no-float64": lambda: plain(
        helper.make_node("Cast", ["x"], ["d"], to=TensorProto.DOUBLE),
        helper.make_node("Cast", ["d"], ["y"], to=TensorProto.FLOAT),
    ),
    "int64-range": lambda: plain(
        helper.make_node("Slice", ["x", "from", "to"], ["y"]), **{"from": np.array([0]), "to": np.array([2**40])}
    ),
    "float16-throughout": float_leftover,
    "fixed-input-shape": varying,
    "uint8-only-into-cast": moved_pixels,
}


@pytest.mark.parametrize("rule", TRIPPING)
def test_a_model_trips_its_rule(rule: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(TRIPPING[rule](), path)
    assert rule in rules_broken(path)


def test_a_rule_that_no_document_promises_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(plain(helper.make_node("Relu", ["x"], ["y"]), opset=21), path)
    checked = check_file(path, RUNTIMES["jetpack7.2"])
    assert checked.takes
    assert [finding.rule for finding in checked.findings] == ["opset-beyond-documents"]
    assert checked.taken_by == {"jetpack6.1": False, "jetpack6.2": False, "jetpack7.2": True, "jetpack7.2.2": True}


def test_every_rule_is_tripped_somewhere() -> None:
    assert {rule.name for rule in RULES} == {*TRIPPING, "opset-beyond-documents"}


@pytest.mark.parametrize(
    "model", [int8_layer(), int8_layer(axis=-4), residual(1)], ids=["layer", "axis counted from the end", "shortcut"]
)
def test_a_legal_model_breaks_none(model: ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    checked = check_file(path, JETPACK)
    assert checked.findings == ()
    assert (checked.takes, checked.quantized, checked.weighted) == (True, 1, 1)


@pytest.fixture(scope="module", params=["open_vino", "onnx_runtime", "tensor_rt"])
def produced(
    request: pytest.FixtureRequest, tiny_graph: Graph, frames: list[Frame], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    path = tmp_path_factory.mktemp(request.param) / "int8.onnx"

    def calibration() -> Iterator[Frame]:
        return iter(frames)

    context = GraphContext(
        target_file=path,
        calibration=calibration,
        calibration_count=len(frames),
        backend=request.param,
        progress=lambda *_: None,
    )
    METHOD.apply(tiny_graph.path, QuantizeStep(scheme=request.param), context)
    return request.param, path


def test_what_real_producers_make_is_judged_for_what_they_do(produced: tuple[str, Path]) -> None:
    scheme, path = produced
    checked = check_file(path, JETPACK)
    assert checked.takes == (scheme == "tensor_rt"), checked.findings
    if scheme == "tensor_rt":
        assert {finding.rule for finding in checked.findings} <= {"fixed-input-shape"}
        assert checked.quantized == checked.weighted
    else:
        assert "int8-only" in rules_broken(path), "both make uint8 activations"


def test_a_float_model_is_taken_once_its_pixels_are_cast_first(tiny_graph: Graph, tmp_path: Path) -> None:
    findings = check_file(tiny_graph.path, JETPACK).findings
    assert {each.rule for each in findings if each.level == "refused"} == {"uint8-only-into-cast"}
    assert repair_file(tiny_graph.path, tmp_path / "repaired.onnx").pixels
    checked = check_file(tmp_path / "repaired.onnx", JETPACK)
    assert checked.takes, checked.findings
    assert checked.weight_types == {"float": checked.weighted}


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(GraphError, match=r"model\.onnx"):
        check_file(path, JETPACK)
    with pytest.raises(GraphError, match=r"jetpack6\.2"):
        runtime_named("jetpack5")
