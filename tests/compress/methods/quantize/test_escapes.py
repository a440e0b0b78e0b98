"""The layer that int8 breaks is found and left in float; one that holds stays as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from beltline.compress.graph_bytes import graph_bytes, lineage_of, properties_of
from beltline.compress.methods.quantize import METHOD
from beltline.compress.methods.quantize.calibration import Calibration
from beltline.compress.methods.quantize.escapes import keep_escapes, layer_shifts, rounded_nodes
from beltline.compress.methods.quantize.schemes import SCHEMES
from beltline.compress.methods.quantize.scope import name_nodes, quantized_scope
from beltline.compress.methods.quantize.settings import QuantizeStep
from beltline.export.contracts import Frame, Graph
from beltline.export.graph_file import open_graph
from beltline.inspection.base.errors import RecipeError
from frames_judge import FramesJudge, context_of
from onnx import numpy_helper


def quiet(_what: str, _done: int, _of: int) -> None:
    return None


@pytest.fixture(scope="module")
def given(tiny_graph: Graph) -> onnx.ModelProto:
    model = onnx.load(tiny_graph.path)
    name_nodes(model.graph)
    return model


@pytest.fixture(scope="module")
def quantized(tiny_graph: Graph, frames: list[Frame]) -> onnx.ModelProto:
    model = onnx.load(tiny_graph.path)
    name_nodes(model.graph)
    calibration = Calibration(context=context_of(frames, Path("unused")), wanted=12)
    step = QuantizeStep(keep_escapes=True)
    return SCHEMES["onnx_runtime"](model, quantized_scope(model.graph), calibration, step)


def broken_in(quantized: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Stretch the weights' scales of one layer by channel: what a range that fits badly does."""
    broken = onnx.ModelProto()
    broken.CopyFrom(quantized)
    node = next(each for each in broken.graph.node if each.name == name)
    weights = next(each for each in broken.graph.node if node.input[1] in each.output)
    scale = next(each for each in broken.graph.initializer if each.name == weights.input[1])
    values = numpy_helper.to_array(scale)
    stretched = values * np.where(np.arange(values.size).reshape(values.shape) % 2, 4.0, 0.2).astype(values.dtype)
    scale.CopyFrom(numpy_helper.from_array(stretched.astype(values.dtype), scale.name))
    return broken


def layers(quantized: onnx.ModelProto, given: onnx.ModelProto) -> list[str]:
    kinds = {node.name: node.op_type for node in given.graph.node}
    return [name for name in rounded_nodes(quantized, given) if kinds[name] == "Conv"]


def test_what_holds_stays_int8(quantized: onnx.ModelProto, given: onnx.ModelProto, judge: FramesJudge) -> None:
    mixture = keep_escapes(quantized, given, replace(judge, allowed=0.99), ranked_on=6, progress=quiet)
    assert mixture.model is quantized
    assert mixture.floats == ()
    assert "in float" not in mixture.lineage()
    assert judge.asked == [] or set(judge.asked) == {None}


def test_the_broken_layer_is_ranked_worst(
    quantized: onnx.ModelProto, given: onnx.ModelProto, judge: FramesJudge, tmp_path: Path
) -> None:
    def score(model: onnx.ModelProto) -> np.ndarray:  # type: ignore[type-arg]
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        path = tmp_path / "one.onnx"
        path.write_bytes(graph_bytes(copy, properties=properties_of(given)))
        return judge.scores(path)

    for name in layers(quantized, given)[:2]:
        found = layer_shifts(broken_in(quantized, name), given, score, progress=quiet)
        shifts = {each.name: each.shift for each in found}
        assert max(shifts, key=lambda each: shifts[each]) == name
        assert set(shifts) == set(rounded_nodes(quantized, given))


def test_the_broken_layer_stays_in_float_and_is_named(
    quantized: onnx.ModelProto, given: onnx.ModelProto, judge: FramesJudge
) -> None:
    name = layers(quantized, given)[1]
    broken = broken_in(quantized, name)
    notified: list[str] = []
    mixture = keep_escapes(broken, given, judge, ranked_on=12, progress=lambda what, *_: notified.append(what))
    assert mixture.floats[0].name == name
    assert mixture.escapes.increase_upper <= mixture.limit
    assert len(mixture.floats) < mixture.rounded
    assert f"in float: {name}" in mixture.lineage()
    assert {"ranking layers", "leaving layers in float"} <= set(notified)
    assert rounded_nodes(mixture.model, given) == tuple(
        each for each in rounded_nodes(quantized, given) if each not in {layer.name for layer in mixture.floats}
    )


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_the_step_writes_what_it_found_into_the_file(
    scheme: str, tiny_graph: Graph, frames: list[Frame], judge: FramesJudge, tmp_path: Path
) -> None:
    step = QuantizeStep.model_validate({"scheme": scheme, "keep_escapes": True})
    context = context_of(frames, tmp_path / "int8.onnx", judge=judge)
    METHOD.apply(tiny_graph.path, step, context)
    graph = open_graph(tmp_path / "int8.onnx")
    assert graph.frame == tiny_graph.frame
    line = graph.lineage[-1]
    assert line.startswith(f"quantize: {scheme}, min_max: ")
    assert "new and" in line
    assert lineage_of(properties_of(onnx.load(tmp_path / "int8.onnx"))) == graph.lineage


def test_without_a_judge_it_is_refused(tiny_graph: Graph, frames: list[Frame], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="wants val and a teacher"):
        METHOD.apply(tiny_graph.path, QuantizeStep(keep_escapes=True), context_of(frames, tmp_path / "int8.onnx"))
    assert not (tmp_path / "int8.onnx").exists()
