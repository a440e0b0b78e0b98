"""`half`: float16 where it holds the numbers, float32 where it does not, the same contract and the same decisions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from beltline.compress.methods.half import METHOD, HalfStep
from beltline.compress.methods.half.form import tensor_types
from beltline.compress.methods.half.graph import cast_nodes, ready_for_float16
from beltline.compress.methods.quantize import METHOD as QUANTIZE
from beltline.compress.methods.quantize import QuantizeStep
from beltline.compress.recipe import GraphContext, Step
from beltline.export.artifacts import backends
from beltline.export.contracts import Frame, Graph
from beltline.export.device_check.check import check_file
from beltline.export.device_check.device_runtime import RUNTIMES
from beltline.export.graph_file import open_graph
from beltline.inspection.base.errors import RecipeError
from beltline.inspection.base.storage import digest_of_file
from beltline.studies.compression.emulated_float16 import with_float16_rounding
from beltline.targets.target import Target
from onnx import TensorProto, helper, numpy_helper

JETPACK = RUNTIMES["jetpack6.2"]
TARGET = Target(name="local", threads=1, cpus=(0,))


def context_of(frames: list[Frame], target_file: Path) -> GraphContext:
    return GraphContext(
        target_file=target_file,
        calibration=lambda: iter(frames),
        calibration_count=len(frames),
        backend="onnx_runtime",
        progress=lambda *_: None,
    )


def scores(model: onnx.ModelProto | Path, frames: list[Frame]) -> np.ndarray[Any, Any]:
    content = str(model) if isinstance(model, Path) else model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return np.array([float(session.run(["score"], {"frame": frame})[0]) for frame in frames])


@pytest.fixture(scope="module")
def half(tiny_graph: Graph, frames: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> Graph:
    path = tmp_path_factory.mktemp("half") / "half.onnx"
    METHOD.apply(tiny_graph.path, HalfStep(), context_of(frames, path))
    return open_graph(path)


@pytest.fixture(scope="module")
def int8(tiny_graph: Graph, frames: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("int8") / "int8.onnx"
    QUANTIZE.apply(tiny_graph.path, QuantizeStep(scheme="tensor_rt"), context_of(frames, path))
    return path


@pytest.fixture(scope="module")
def both(int8: Path, frames: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> Graph:
    path = tmp_path_factory.mktemp("both") / "both.onnx"
    METHOD.apply(int8, HalfStep(), context_of(frames, path))
    return open_graph(path)


def test_the_file_is_half_as_large_and_keeps_the_contract(half: Graph, tiny_graph: Graph) -> None:
    assert (half.precision, half.frame, half.checkpoint) == ("fp16", tiny_graph.frame, None)
    assert half.path.stat().st_size < 0.6 * tiny_graph.path.stat().st_size
    assert half.lineage[-1].startswith("half: ")
    assert half.lineage[-1].endswith("none left out")
    assert half.lineage[:-1] == tiny_graph.lineage


def test_only_the_network_is_cast(half: Graph) -> None:
    model = onnx.load(half.path)
    types = tensor_types(model)
    for node in model.graph.node:
        kinds = {types[name] for name in node.input if types.get(name) in (TensorProto.FLOAT, TensorProto.FLOAT16)}
        if node.op_type in {"Sigmoid", "AveragePool", "ReduceMax", "Round"}:
            assert kinds == {TensorProto.FLOAT}
        if node.op_type in {"Conv", "Relu"}:
            assert kinds == {TensorProto.FLOAT16}
    resizes = [node for node in model.graph.node if node.op_type == "Resize"]
    assert types[resizes[0].input[0]] == TensorProto.FLOAT, "the frame's own, before the network"
    assert all(types[node.input[2]] == TensorProto.FLOAT for node in resizes if node.input[2]), "scales stay float32"


@pytest.mark.parametrize("which", ["half", "both"])
def test_a_jetson_takes_it(which: str, request: pytest.FixtureRequest) -> None:
    graph: Graph = request.getfixturevalue(which)
    checked = check_file(graph.path, JETPACK)
    assert checked.takes, checked.findings
    assert {finding.rule for finding in checked.findings} <= {"fixed-input-shape"}


def test_scores_stay_where_they_were(half: Graph, tiny_graph: Graph, frames: list[Frame]) -> None:
    exact = scores(tiny_graph.path, frames)
    rounded = scores(with_float16_rounding(onnx.load(half.path)), frames)
    assert 0 < np.abs(rounded - exact).max() < 0.02  # the network's logits are amplified 30 times, and so is rounding
    assert np.abs(scores(half.path, frames) - exact).max() < 0.02


def test_behind_quantize_scales_have_their_tensors_type(both: Graph, tiny_graph: Graph, frames: list[Frame]) -> None:
    model = onnx.load(both.path)
    types = tensor_types(model)
    assert next(each.version for each in model.opset_import if not each.domain) == 19
    quantizers = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert quantizers
    assert all(types[node.input[0]] == types[node.input[1]] for node in quantizers)
    layers = [node for node in model.graph.node if node.op_type == "Conv"]
    assert {types[name] for node in layers for name in node.input} == {TensorProto.FLOAT16}
    assert both.precision == "int8"
    assert np.abs(scores(both.path, frames) - scores(tiny_graph.path, frames)).max() < 0.15  # as int8 alone


def test_the_two_ends_of_a_pair_use_one_scale(both: Graph) -> None:
    graph = onnx.load(both.path).graph
    values = {tensor.name: numpy_helper.to_array(tensor).astype(np.float64) for tensor in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    pairs = [
        (makers[node.input[0]], node)
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in makers
    ]
    assert pairs
    for first, second in pairs:
        np.testing.assert_array_equal(values[first.input[1]], values[second.input[1]])


def layered(scales: list[float], *, bias: float = 0.0) -> onnx.ModelProto:
    """A finished model of 1 x 1 convolutions over grey frames; each multiplies by a scale and adds the bias."""
    nodes = [
        helper.make_node("Cast", ["frame"], ["pixels"], to=TensorProto.FLOAT, name="pixels"),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[2, 0, 1], name="planes"),
        helper.make_node("Unsqueeze", ["planes", "zero"], ["x0"], name="batch"),
    ]
    nodes += [
        helper.make_node("Conv", [f"x{at}", f"w{at}", "bias"], [f"x{at + 1}"], name=f"layer{at}")
        for at in range(len(scales))
    ]
    nodes += [
        helper.make_node("Sigmoid", [f"x{len(scales)}"], ["map"], name="sigmoid"),
        helper.make_node("ReduceMax", ["map"], ["score"], keepdims=0, name="largest"),
        helper.make_node("Squeeze", ["map", "axes"], ["plane"], name="plane"),
        helper.make_node("Cast", ["plane"], ["heatmap"], to=TensorProto.UINT8, name="heatmap"),
    ]
    weights = {f"w{at}": np.full((1, 1, 1, 1), scale, np.float32) for at, scale in enumerate(scales)}
    constants = {**weights, "bias": np.full(1, bias, np.float32), "zero": np.array([0]), "axes": np.array([0, 1])}
    graph = helper.make_graph(
        nodes,
        "layered",
        [helper.make_tensor_value_info("frame", TensorProto.UINT8, [80, 100, 1])],
        [
            helper.make_tensor_value_info("score", TensorProto.FLOAT, []),
            helper.make_tensor_value_info("heatmap", TensorProto.UINT8, [80, 100]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize(
    ("scales", "kept", "why"),
    [
        ([0.1, 4000.0, 1 / 4000, 0.1], ("layer1", "layer2"), "x2 reached"),
        ([0.1, 1e-9, 1e9, 0.1], ("layer1", "layer2"), "its weights are all below 6.1e-05"),
        ([0.1, 1e-4, 1e-3, 1e6], ("layer2", "layer3"), "x3 stayed below"),
    ],
)
def test_what_float16_cannot_hold_stays_and_is_named(
    scales: list[float], kept: tuple[str, ...], why: str, frames: list[Frame], tmp_path: Path
) -> None:
    onnx.save(layered(scales), tmp_path / "float.onnx")
    METHOD.apply(tmp_path / "float.onnx", HalfStep(), context_of(frames, tmp_path / "half.onnx"))
    notified = open_graph(tmp_path / "half.onnx").lineage[-1]
    assert f"{len(kept)} stay in float32" in notified
    assert all(name in notified for name in kept)
    assert why in notified
    exact, rounded = (
        scores(tmp_path / "float.onnx", frames),
        scores(with_float16_rounding(onnx.load(tmp_path / "half.onnx")), frames),
    )
    np.testing.assert_allclose(rounded, exact, atol=2e-3)


def test_without_the_check_the_same_model_would_overflow(frames: list[Frame]) -> None:
    model = ready_for_float16(layered([0.1, 4000.0, 1 / 4000, 0.1]))
    exact = scores(model, frames)
    cast_nodes(model, frozenset(f"layer{at}" for at in range(4)))
    assert np.abs(scores(with_float16_rounding(model), frames) - exact).max() > 0.1


def test_a_scale_that_float16_loses_keeps_its_layer(frames: list[Frame], tmp_path: Path) -> None:
    onnx.save(layered([0.1, 1e-5, 1e5, 0.1]), tmp_path / "float.onnx")
    jetson = replace(context_of(frames, tmp_path / "int8.onnx"), weight_bits=8)
    QUANTIZE.apply(tmp_path / "float.onnx", QuantizeStep(scheme="tensor_rt"), jetson)
    METHOD.apply(tmp_path / "int8.onnx", HalfStep(), context_of(frames, tmp_path / "half.onnx"))
    notified = open_graph(tmp_path / "half.onnx").lineage[-1]
    assert "layer1 (a scale before it is 7.87e-08)" in notified
    assert check_file(tmp_path / "half.onnx", JETPACK).takes


def test_onnx_runtime_keeps_the_biases_of_a_quantized_float16_graph(frames: list[Frame], tmp_path: Path) -> None:
    """Its optimizer would divide them by the product of two float16 scales, which here leaves float16's range."""
    onnx.save(layered([1e-3, 0.5], bias=1.2), tmp_path / "float.onnx")
    QUANTIZE.apply(
        tmp_path / "float.onnx", QuantizeStep(scheme="tensor_rt"), context_of(frames, tmp_path / "int8.onnx")
    )
    METHOD.apply(tmp_path / "int8.onnx", HalfStep(), context_of(frames, tmp_path / "half.onnx"))
    backend = backends()["onnx_runtime"]
    (tmp_path / "built").mkdir()
    built = backend.build(open_graph(tmp_path / "half.onnx"), TARGET, tmp_path / "built")
    with backend.load(built, threads=1) as session:
        found = np.array([session.infer(frame).score for frame in frames])
    np.testing.assert_allclose(found, scores(tmp_path / "float.onnx", frames), atol=0.01)


def test_headroom_decides_what_is_too_near(frames: list[Frame], tmp_path: Path) -> None:
    brightest = max(int(frame.max()) for frame in frames)
    onnx.save(layered([16384 / brightest, 1e-3, 0.5]), tmp_path / "float.onnx")
    for headroom, stays in ((2.0, False), (8.0, True)):
        target = tmp_path / f"{headroom}.onnx"
        METHOD.apply(tmp_path / "float.onnx", HalfStep(headroom=headroom), context_of(frames, target))
        assert ("x1 reached" in open_graph(target).lineage[-1]) == stays


def test_the_same_frames_give_the_same_bytes_and_nothing_is_printed(
    half: Graph, tiny_graph: Graph, frames: list[Frame], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    notified: list[tuple[str, int, int]] = []
    context = replace(context_of(frames, tmp_path / "a.onnx"), progress=lambda *facts: notified.append(facts))
    METHOD.apply(tiny_graph.path, HalfStep(), context)
    assert digest_of_file(tmp_path / "a.onnx") == half.digest
    assert notified[-1] == ("watching activations", len(frames), len(frames))
    assert capfd.readouterr() == ("", "")


def test_what_cannot_be_cast_is_refused(half: Graph, tiny_graph: Graph, frames: list[Frame], tmp_path: Path) -> None:
    target = tmp_path / "a.onnx"
    with pytest.raises(RecipeError, match="float16 weights; write the step once"):
        METHOD.apply(half.path, HalfStep(), context_of(frames, target))
    with pytest.raises(RecipeError, match="wanted training frames"):
        METHOD.apply(tiny_graph.path, HalfStep(), context_of([], target))
    onnx.save(layered([1e9, 1e-9]), tmp_path / "float.onnx")
    with pytest.raises(RecipeError, match=r"float16 holds none of the network's 2 operators \(layer0: "):
        METHOD.apply(tmp_path / "float.onnx", HalfStep(), context_of(frames, target))
    assert not target.exists()


def test_quantizing_comes_first(half: Graph, frames: list[Frame], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="write half behind quantize"):
        QUANTIZE.apply(half.path, QuantizeStep(), context_of(frames, tmp_path / "a.onnx"))


def test_the_step_is_found_in_recipes() -> None:
    assert Step.model_validate("half").sentence() == "half"
    assert Step.model_validate({"half": {"frames": 8}}).works_on == "graph"
    with pytest.raises(ValueError, match="half"):
        Step.model_validate({"half": {"headroom": 0.5}})
