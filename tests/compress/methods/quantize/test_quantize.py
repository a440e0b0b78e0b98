"""`quantize`: int8 where it pays, float where it counts, the same bytes every time, and nothing printed."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from beltline.compress.methods.quantize import METHOD, QuantizeStep
from beltline.compress.recipe import GraphContext, Step
from beltline.export.artifacts import backends
from beltline.export.contracts import Frame, Graph
from beltline.export.graph_file import open_graph
from beltline.export.parity import compare_scores
from beltline.inspection.base.errors import RecipeError
from beltline.inspection.base.storage import digest_of_file
from beltline.targets.fingerprint import fingerprint, weight_bits
from beltline.targets.target import Target
from onnx import TensorProto, helper, numpy_helper

TARGET = Target(name="local", threads=1, cpus=(0,))
SCHEMES = ("open_vino", "onnx_runtime", "tensor_rt")
RUN_HERE = ("open_vino", "onnx_runtime")


def context_of(frames: list[Frame], target_file: Path, *, backend: str = "open_vino") -> GraphContext:
    return GraphContext(
        target_file=target_file,
        calibration=lambda: iter(frames),
        calibration_count=len(frames),
        backend=backend,
        progress=lambda *_: None,
        weight_bits=weight_bits(fingerprint(())),
    )


@pytest.fixture(scope="module", params=SCHEMES)
def quantized(
    request: pytest.FixtureRequest, tiny_graph: Graph, frames: list[Frame], tmp_path_factory: pytest.TempPathFactory
) -> Graph:
    path = tmp_path_factory.mktemp(request.param) / "int8.onnx"
    METHOD.apply(tiny_graph.path, QuantizeStep(scheme=request.param), context_of(frames, path))
    return open_graph(path)


def test_the_graph_is_int8_and_keeps_the_contract(quantized: Graph, tiny_graph: Graph) -> None:
    assert (quantized.precision, quantized.frame, quantized.checkpoint) == ("int8", tiny_graph.frame, None)
    assert quantized.path.stat().st_size < 0.7 * tiny_graph.path.stat().st_size


def test_only_the_network_is_quantized(quantized: Graph) -> None:
    graph = onnx.load(quantized.path).graph
    made = {output: node for node in graph.node for output in node.output}
    read_from = {node.op_type: {made[name].op_type for name in node.input if name in made} for node in graph.node}
    for outside in ("Sigmoid", "AveragePool", "ReduceMax", "Round", "Cast"):
        assert "DequantizeLinear" not in read_from[outside]
    first = next(node for node in graph.node if node.op_type == "Resize")
    assert made[first.input[0]].op_type != "DequantizeLinear"


def test_all_weights_but_the_last_layers_are_bytes(quantized: Graph) -> None:
    graph = onnx.load(quantized.path).graph
    floats = [
        tensor.name
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT and numpy_helper.to_array(tensor).ndim == 4
    ]
    weights = [name for name in floats if name.endswith("weight")]
    assert weights in ([], ["network.head.logits.weight"])


@pytest.mark.parametrize("backend", RUN_HERE)
def test_every_runtime_decides_nearly_as_in_float(
    backend: str, quantized: Graph, tiny_graph: Graph, frames: list[Frame], tmp_path: Path
) -> None:
    scores = []
    for name, graph in (("float", tiny_graph), ("int8", quantized)):
        folder = tmp_path / name
        folder.mkdir()
        artifact = backends()[backend].build(graph, TARGET, folder)
        with backends()[backend].load(artifact, threads=1) as session:
            scores.append(np.array([session.infer(frame).score for frame in frames]))
        assert artifact.precision == graph.precision
    parity = compare_scores(scores[0], scores[1], threshold=0.5, against="float")
    # the network's logits are amplified 30 times, and so is the rounding; a bit less doubles its step
    assert 0 < parity.max_abs < 0.15 * 2 ** (8 - weight_bits(fingerprint(())))
    assert parity.rank_correlation > 0.95


def test_a_quantized_open_vino_model_stores_bytes(quantized: Graph, tiny_graph: Graph, tmp_path: Path) -> None:
    artifact = backends()["open_vino"].build(quantized, TARGET, tmp_path)
    assert artifact.path.with_suffix(".bin").stat().st_size < 0.4 * tiny_graph.path.stat().st_size


def test_the_backend_decides_the_scheme_and_the_same_frames_give_the_same_bytes(
    quantized: Graph, tiny_graph: Graph, frames: list[Frame], tmp_path: Path
) -> None:
    backend = next(scheme for scheme in SCHEMES if quantized.path.parent.name.startswith(scheme))
    context = context_of(frames, tmp_path / "a.onnx", backend=backend)
    METHOD.apply(tiny_graph.path, QuantizeStep(), context)
    assert digest_of_file(context.target_file) == quantized.digest


@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_leaks_into_output_logging_or_environment(
    scheme: str, tiny_graph: Graph, frames: list[Frame], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (list(logging.root.handlers), logging.getLoggerClass(), logging.root.manager.disable, dict(os.environ))
    step = QuantizeStep.model_validate({"scheme": scheme, "frames": 2})
    METHOD.apply(tiny_graph.path, step, context_of(frames, tmp_path / "a.onnx"))
    assert capfd.readouterr() == ("", "")
    after = (list(logging.root.handlers), logging.getLoggerClass(), logging.root.manager.disable, dict(os.environ))
    assert after == before


def test_frames_are_spread_evenly_and_progress_is_told(tiny_graph: Graph, frames: list[Frame], tmp_path: Path) -> None:
    notified: list[tuple[object, ...]] = []
    reached: list[int] = []

    def offered() -> Iterator[Frame]:
        for position, frame in enumerate(frames):
            reached.append(position)
            yield frame

    def notify(*facts: object) -> None:
        notified.append((*facts, reached[-1]))

    context = replace(context_of(frames, tmp_path / "a.onnx"), calibration=offered, progress=notify)
    METHOD.apply(tiny_graph.path, QuantizeStep(scheme="onnx_runtime", frames=4), context)
    assert notified == [("calibrating", done, 4, at) for done, at in ((1, 0), (2, 3), (3, 6), (4, 9))]


def test_what_cannot_be_quantized_is_refused(
    quantized: Graph, tiny_graph: Graph, frames: list[Frame], tmp_path: Path
) -> None:
    target_file = tmp_path / "a.onnx"
    with pytest.raises(RecipeError, match="quantized already"):
        METHOD.apply(quantized.path, QuantizeStep(), context_of(frames, target_file))
    with pytest.raises(RecipeError, match="wanted training frames"):
        METHOD.apply(tiny_graph.path, QuantizeStep(), context_of([], target_file))
    assert not target_file.exists()


def test_the_step_is_found_in_recipes() -> None:
    step = Step.model_validate({"quantize": {"scheme": "onnx_runtime"}})
    assert (step.works_on, step.sentence()) == ("graph", "quantize scheme=onnx_runtime")


@pytest.mark.parametrize("settings", [{"scheme": "tflite"}, {"frames": 0}, {"bits": 4}, {"preset": "fast"}])
def test_unknown_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="quantize"):
        Step.model_validate({"quantize": settings})


def depthwise_model() -> onnx.ModelProto:
    """A finished model with a depthwise layer whose channels differ in range a thousandfold."""
    rng = np.random.default_rng(0)
    scales = np.array([0.001, 0.01, 0.1, 1.0], np.float32).reshape(4, 1, 1, 1)
    weights = {
        "wide": rng.normal(size=(4, 1, 3, 3)).astype(np.float32) * scales / 255,
        "deep": rng.normal(size=(4, 1, 3, 3)).astype(np.float32),
        "last": rng.normal(size=(1, 4, 1, 1)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["frame"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[2, 0, 1]),
        helper.make_node("Unsqueeze", ["planes", "zero"], ["batch"]),
        helper.make_node("Conv", ["batch", "wide"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "deep"], ["c"], pads=[1, 1, 1, 1], group=4),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Conv", ["d", "last"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["map"]),
        helper.make_node("ReduceMax", ["map"], ["score"], keepdims=0),
        helper.make_node("Squeeze", ["map", "batch_and_channel"], ["plane"]),
        helper.make_node("Cast", ["plane"], ["heatmap"], to=TensorProto.UINT8),
    ]
    constants = {"zero": np.array([0]), "batch_and_channel": np.array([0, 1])}
    graph = helper.make_graph(
        nodes,
        "depthwise",
        [helper.make_tensor_value_info("frame", TensorProto.UINT8, [80, 100, 1])],
        [
            helper.make_tensor_value_info("score", TensorProto.FLOAT, []),
            helper.make_tensor_value_info("heatmap", TensorProto.UINT8, [80, 100]),
        ],
        [numpy_helper.from_array(value, name) for name, value in {**weights, **constants}.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize("backend", RUN_HERE)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_depthwise_layers_run_where_the_recipe_ends(
    scheme: str, backend: str, frames: list[Frame], tmp_path: Path
) -> None:
    onnx.save(depthwise_model(), tmp_path / "float.onnx")
    step = QuantizeStep.model_validate({"scheme": scheme})
    METHOD.apply(tmp_path / "float.onnx", step, context_of(frames, tmp_path / "int8.onnx", backend=backend))
    graph = open_graph(tmp_path / "int8.onnx")
    assert graph.precision == "int8"
    (tmp_path / "built").mkdir()
    backends()[backend].build(graph, TARGET, tmp_path / "built")
