"""An int8 graph with layers put back: all of them give the float graph again, one of them only itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from beltline.compress.graph_bytes import graph_bytes, properties_of
from beltline.compress.methods.quantize.calibration import Calibration
from beltline.compress.methods.quantize.escapes import left_in_float, rounded_nodes
from beltline.compress.methods.quantize.schemes import SCHEMES
from beltline.compress.methods.quantize.scope import name_nodes, quantized_scope
from beltline.compress.methods.quantize.settings import QuantizeStep
from beltline.export.contracts import Frame, Graph
from frames_judge import context_of, scores_of

Pair = tuple[onnx.ModelProto, onnx.ModelProto]


@pytest.fixture(scope="module", params=list(SCHEMES))
def pair(request: pytest.FixtureRequest, tiny_graph: Graph, frames: list[Frame]) -> Pair:
    """The int8 model of each scheme and the float one that it was made from."""
    model = named(tiny_graph)
    frames_given = Calibration(context=context_of(frames, Path("unused"), backend=request.param), wanted=12)
    step = QuantizeStep(keep_escapes=True)
    return SCHEMES[request.param](model, quantized_scope(model.graph), frames_given, step), named(tiny_graph)


def named(graph: Graph) -> onnx.ModelProto:
    model = onnx.load(graph.path)
    name_nodes(model.graph)
    return model


def scored(model: onnx.ModelProto, given: onnx.ModelProto, frames: list[Frame], folder: Path) -> np.ndarray:  # type: ignore[type-arg]
    path = folder / "mixture.onnx"
    path.write_bytes(graph_bytes(model, properties=properties_of(given)))
    return scores_of(path, frames)


def test_every_layer_reads_rounded_values(pair: Pair) -> None:
    quantized, given = pair
    kinds = {node.name: node.op_type for node in given.graph.node}
    rounded = rounded_nodes(quantized, given)
    assert {kinds[name] for name in rounded} >= {"Conv"}
    assert rounded_nodes(given, given) == ()


def test_with_all_layers_back_it_is_the_float_graph(pair: Pair, frames: list[Frame], tmp_path: Path) -> None:
    quantized, given = pair
    back = left_in_float(quantized, given, set(rounded_nodes(quantized, given)))
    assert not [node for node in back.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert len(back.graph.initializer) <= len(given.graph.initializer)
    np.testing.assert_allclose(scored(back, given, frames, tmp_path), scored(given, given, frames, tmp_path), atol=1e-6)


def test_with_one_layer_back_only_that_one_is_float(pair: Pair, frames: list[Frame], tmp_path: Path) -> None:
    quantized, given = pair
    names = rounded_nodes(quantized, given)
    before = scored(left_in_float(quantized, given, ()), given, frames, tmp_path)
    for name in names:
        one = left_in_float(quantized, given, {name})
        assert rounded_nodes(one, given) == tuple(each for each in names if each != name)
        onnx.checker.check_model(one, full_check=True)
        assert np.abs(scored(one, given, frames, tmp_path) - before).max() < 0.3
    assert rounded_nodes(quantized, given) == names
