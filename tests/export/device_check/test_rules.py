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
    "listed-operators": lambda: plain(helper.make_node("Det", ["x"], ["y"])),
    "undated-operators": lambda: plain(helper.make_node("Mish", ["x"], ["y"])),
    "operator-form": lambda: plain(
        helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], dilations=[2, 2]), opset=19
    ),
}


@pytest.mark.parametrize("rule", TRIPPING)
def test_a_model_trips_its_rule(rule: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(TRIPPING[rule](), path)
    assert rule in rules_broken(path)


def test_a_rule_that_no_document_promises_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(plain(helper.make_node("Relu", ["x"], ["y"]), opset=25), path)
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


def node(operator: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes: Any) -> Any:
    names = ["y", *(f"y{index}" for index in range(1, outputs))]
    return helper.make_node(operator, list(inputs or ("x",)), names, domain=domain, name="odd", **attributes)


NOT_TAKEN = {
    "SequenceConstruct": node("SequenceConstruct"),
    "SequenceEmpty": node("SequenceEmpty"),
    "SequenceLength": node("SequenceLength"),
    "SequenceAt": node("SequenceAt", "x", "k"),
    "SplitToSequence": node("SplitToSequence"),
    "ConcatFromSequence": node("ConcatFromSequence", axis=0),
    "Unique": node("Unique"),
    "Det": node("Det"),
    "MaxRoiPool": node("MaxRoiPool", "x", "rois", pooled_shape=[2, 2]),
    "Multinomial": node("Multinomial"),
    "Col2Im": node("Col2Im", "x", "k", "k"),
    "MaxUnpool": node("MaxUnpool", "x", "k", kernel_shape=[2, 2]),
    "Bernoulli": node("Bernoulli"),
    "DFT": node("DFT"),
    "EfficientNMS_TRT outside domain TRT": node("EfficientNMS_TRT", "x", "x", outputs=4),
    "an operator of nobody's": node("MyOwn"),
    "Conv of six dimensions": node("Conv", "x", "w6"),
    "ScatterND that adds": node("ScatterND", "x", "k", "x", reduction="add"),
    "Einsum with an ellipsis": node("Einsum", equation="...ij->...ji"),
    "TopK unsorted": node("TopK", "x", "k", outputs=2, sorted=0),
    "LayerNormalization with its mean": node("LayerNormalization", "x", "scale", outputs=2),
    "LSTM with input_forget": node("LSTM", "x", "w3", "w3", hidden_size=4, input_forget=1),
    "Resize cropped": node("Resize", "x", "", "scale", coordinate_transformation_mode="tf_crop_and_resize"),
}
CONSTANTS = {
    "k": np.array([1]),
    "rois": np.zeros((1, 5), np.float32),
    "w6": np.zeros((4, 4, 1, 1, 1, 1), np.float32),
    "w3": np.zeros((1, 16, 8), np.float32),
    "scale": np.ones(8, np.float32),
}


def inside_if(inner: Any) -> ModelProto:
    """Put a node into one branch of an If."""
    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    branches = {
        f"{name}_branch": helper.make_graph([each], name, [], [value])
        for name, each in (("then", inner), ("else", helper.make_node("Relu", ["x"], ["y"])))
    }
    return model_of(
        [helper.make_node("If", ["yes"], ["z"], name="choice", **branches), helper.make_node("Relu", ["z"], ["y"])],
        {**CONSTANTS, "yes": np.array(True)},
    )


@pytest.mark.parametrize("name", NOT_TAKEN)
@pytest.mark.parametrize("where", ["outside", "inside an If"])
def test_what_the_parser_does_not_take_is_refused(name: str, where: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    odd = NOT_TAKEN[name]
    onnx.save(model_of([odd], CONSTANTS) if where == "outside" else inside_if(odd), path)
    checked = check_file(path, JETPACK)
    assert not checked.takes
    assert [each.node for each in checked.findings if each.level == "refused"] == ["odd"]


def test_graphs_inside_loops_and_scans_are_looked_into(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    values = {
        name: helper.make_tensor_value_info(name, kind, None)
        for name, kind in (
            ("i", TensorProto.INT64),
            ("go", TensorProto.BOOL),
            ("go_on", TensorProto.BOOL),
            ("state", TensorProto.FLOAT),
            ("next", TensorProto.FLOAT),
        )
    }
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Det", ["state"], ["next"], name="deep")],
        "body",
        [values["i"], values["go"], values["state"]],
        [values["go_on"], values["next"]],
    )
    onnx.save(plain(helper.make_node("Loop", ["n", "", "x"], ["y"], body=body), n=np.array(3)), path)
    assert [each.node for each in check_file(path, JETPACK).findings if each.level == "refused"] == ["deep"]


@pytest.mark.parametrize("opset", [8, 9, 13, 16, 20, 21])
def test_float_files_of_opset_9_to_20_are_taken(opset: int, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(plain(helper.make_node("Relu", ["x"], ["y"]), opset=opset), path)
    assert check_file(path, JETPACK).takes == (9 <= opset <= 20)


def test_quantized_files_need_opset_17(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for opset, taken in ((16, False), (17, True)):
        onnx.save(int8_layer(opset=opset), path)
        assert check_file(path, JETPACK).takes == taken


def test_operators_come_with_releases() -> None:
    taken = {name: [runtime.takes(name) for runtime in RUNTIMES.values()] for name in ("STFT", "Attention", "Gelu")}
    assert taken == {
        "STFT": [False, False, True, True],
        "Attention": [False, False, True, True],
        "Gelu": [None, None, True, True],
    }


def test_a_models_own_functions_are_looked_into(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    model = plain(helper.make_node("Twice", ["x"], ["y"], domain="own"))
    made = [helper.make_node("Add", ["a", "a"], ["b"])]
    imports = [helper.make_opsetid("", 18)]
    model.functions.append(helper.make_function("own", "Twice", ["a"], ["b"], made, imports))
    onnx.save(model, path)
    assert check_file(path, JETPACK).takes
    model.functions[0].node[0].op_type = "Det"
    del model.functions[0].node[0].input[1:]
    onnx.save(model, path)
    assert rules_broken(path) == {"listed-operators"}
