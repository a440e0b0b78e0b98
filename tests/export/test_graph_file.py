"""ONNX files from anywhere: what is taken, and how each refusal reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from beltline.export import graph_reading
from beltline.export.contracts import Graph
from beltline.export.graph_file import FRAME_KEY, open_graph
from beltline.export.graph_reading import parse_model
from beltline.inspection.base.errors import GraphError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

Shape = list[int | str | None]


def user_model(
    *,
    frame: tuple[int, Shape] = (TensorProto.UINT8, [48, 80, 1]),
    score: tuple[int, Shape] = (TensorProto.FLOAT, []),
    weights: np.ndarray[Any, Any] | None = None,
    names: tuple[str, str, str] = ("frame", "score", "heatmap"),
) -> onnx.ModelProto:
    """A finished model as a user may bring it: one 3 x 3 convolution on the frame as it is."""
    kernel = np.full((1, 1, 3, 3), 1 / 9, np.float32) if weights is None else weights
    source, score_name, heatmap_name = names
    nodes = [
        helper.make_node("Cast", [source], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[2, 0, 1]),
        helper.make_node("Unsqueeze", ["planes", "zero"], ["batch"]),
        helper.make_node("Conv", ["batch", "kernel"], ["logits"], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["logits"], ["map"]),
        helper.make_node("ReduceMax", ["map"], [score_name], keepdims=0),
        helper.make_node("Squeeze", ["map", "batch_and_channel"], ["plane"]),
        helper.make_node("Mul", ["plane", "white"], ["grey"]),
        helper.make_node("Cast", ["grey"], [heatmap_name], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(
        nodes,
        "user",
        [helper.make_tensor_value_info(source, *frame)],
        [
            helper.make_tensor_value_info(score_name, *score),
            helper.make_tensor_value_info(heatmap_name, TensorProto.UINT8, ["rows", "columns"]),
        ],
        [
            numpy_helper.from_array(kernel, "kernel"),
            numpy_helper.from_array(np.array([0]), "zero"),
            numpy_helper.from_array(np.array([0, 1]), "batch_and_channel"),
            numpy_helper.from_array(np.array(255.0, np.float32), "white"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "user.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_a_finished_model_that_keeps_the_contract_is_taken(tmp_path: Path) -> None:
    graph = open_graph(saved(user_model(), tmp_path))
    assert (graph.precision, graph.checkpoint) == ("fp32", None)
    assert (graph.frame.frame_height, graph.frame.frame_width, graph.frame.channels) == (48, 80, 1)
    assert (graph.frame.height, graph.frame.width) == (64, 96)


def test_a_finished_model_may_leave_the_frame_size_open(tmp_path: Path) -> None:
    model = user_model(frame=(TensorProto.UINT8, ["height", None, 1]))
    frame = open_graph(saved(model, tmp_path)).frame
    assert (frame.frame_height, frame.frame_width, frame.height) == (None, None, 32)


@pytest.mark.parametrize(
    ("model", "got"),
    [
        (user_model(names=("input", "score", "heatmap")), r"got inputs \['input'\]"),
        (user_model(names=("frame", "logit", "map_")), r"outputs \['logit', 'map_'\]"),
        (user_model(frame=(TensorProto.FLOAT, [48, 80, 1])), r"got `frame` as FLOAT \[48, 80, 1\]"),
        (user_model(frame=(TensorProto.UINT8, [48, 80, None])), r"got `frame` as \[48, 80, None\]"),
    ],
    ids=["input", "outputs", "type", "channels"],
)
def test_another_contract_is_answered_with_the_one_wanted(model: onnx.ModelProto, got: str, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=got) as caught:
        open_graph(saved(model, tmp_path))
    assert "wanted input `frame` (uint8 [height, width, 1 or 3])" in str(caught.value)
    assert "and outputs `score`" in str(caught.value)

    assert str(caught.value).endswith("where teacher.kind is written")


def test_half_precision_is_told_by_the_weights(tmp_path: Path) -> None:
    model = user_model(weights=np.full((1, 1, 3, 3), 1 / 9, np.float16))
    model.graph.node[0].attribute[0].i = TensorProto.FLOAT16
    white = next(each for each in model.graph.initializer if each.name == "white")
    white.CopyFrom(numpy_helper.from_array(np.array(255.0, np.float16), "white"))
    model.graph.node[5].output[0] = "half"
    model.graph.node.append(helper.make_node("Cast", ["half"], ["score"], to=TensorProto.FLOAT))
    assert open_graph(saved(model, tmp_path)).precision == "fp16"


def test_what_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for content, message in (
        (b"", "got 0 bytes"),
        (b"\x89PNG no model", "wanted a"),
        (onnx.ModelProto().SerializeToString() or b"\x08\x0a", "without any operator"),
    ):
        path.write_bytes(content)
        with pytest.raises(GraphError, match=message):
            open_graph(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.onnx", tmp_path):
        with pytest.raises(GraphError, match=r"cannot be read|wanted an ONNX file"):
            open_graph(path)


def test_a_truncated_file_is_refused(tiny_graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "half.onnx"
    path.write_bytes(tiny_graph.path.read_bytes()[:-1000])
    with pytest.raises(GraphError, match=r"half\.onnx"):
        open_graph(path)


def test_an_oversized_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_reading, "_MAX_BYTES", 100)
    with pytest.raises(GraphError, match="at most 100 bytes"):
        open_graph(saved(user_model(), tmp_path))


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    model = user_model()
    kernel = model.graph.initializer[0]
    kernel.ClearField("raw_data")
    kernel.data_location = TensorProto.EXTERNAL
    kernel.external_data.add(key="location", value="../../../etc/passwd")
    with pytest.raises(GraphError, match="'kernel' lies in another file"):
        open_graph(saved(model, tmp_path))


def test_weights_in_another_file_are_found_in_inner_graphs(tmp_path: Path) -> None:
    model = user_model()
    inner = helper.make_graph([], "inner", [], [], [TensorProto(name="hidden", data_location=TensorProto.EXTERNAL)])
    condition = numpy_helper.from_array(np.array(True), "condition")
    model.graph.initializer.append(condition)
    model.graph.node.append(helper.make_node("If", ["condition"], ["x"], then_branch=inner, else_branch=inner))
    with pytest.raises(GraphError, match="'hidden' lies in another file"):
        open_graph(saved(model, tmp_path))


def test_operators_outside_onnx_are_refused(tmp_path: Path) -> None:
    model = user_model()
    model.graph.node[4].domain = "com.example"
    with pytest.raises(GraphError, match=r"got com\.example\.Sigmoid"):
        open_graph(saved(model, tmp_path))


@pytest.mark.parametrize("stored", ["no json", "[]", '{"height": 64}', '"text"', "null"])
def test_a_damaged_frame_specification_is_refused(stored: str, tmp_path: Path) -> None:
    model = user_model()
    model.metadata_props.add(key=FRAME_KEY, value=stored)
    with pytest.raises(GraphError, match="is no frame specification"):
        open_graph(saved(model, tmp_path))


def test_a_frame_specification_that_contradicts_the_graph_is_refused(tiny_graph: Graph, tmp_path: Path) -> None:
    model = user_model()
    model.metadata_props.add(key=FRAME_KEY, value=json.dumps(tiny_graph.frame.to_json()))
    with pytest.raises(GraphError, match=r"its input is \[48, 80, 1\]"):
        open_graph(saved(model, tmp_path))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), length=st.integers(1, 40))
def test_any_damage_is_taken_or_refused_never_a_crash(position: float, value: int, length: int, tmp_path: Path) -> None:
    content = bytearray(user_model().SerializeToString())
    start = int(position * len(content))
    content[start : start + length] = bytes([value]) * len(content[start : start + length])
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content)
    try:
        open_graph(path)
    except GraphError as error:
        assert "damaged.onnx" in str(error)  # noqa: PT017 - both ends are right, only the kind of error matters


def _with_weights_beside(model: onnx.ModelProto, folder: Path) -> Path:
    onnx.save_model(model, folder / "beside.onnx", save_as_external_data=True, location="beside.data", size_threshold=0)
    return folder / "beside.onnx"


def test_weights_beside_the_file_are_taken_in_where_they_may_be(tiny_graph: Graph, tmp_path: Path) -> None:
    whole = onnx.load(tiny_graph.path)
    path = _with_weights_beside(onnx.load(tiny_graph.path), tmp_path)
    assert (tmp_path / "beside.data").stat().st_size > 1000
    taken = parse_model(path)
    assert list(taken.graph.node) == list(whole.graph.node)
    for one, other in zip(taken.graph.initializer, whole.graph.initializer, strict=True):
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(one), onnx.numpy_helper.to_array(other))
    onnx.checker.check_model(taken, full_check=True)
    with pytest.raises(GraphError, match="lies in another file; save the model with all weights inside"):
        open_graph(path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("location", "../secret.data", "wanted a file in the model's own folder; it is not read"),
        ("location", "/etc/passwd", "wanted a file in the model's own folder"),
        ("location", "link.data", "wanted a file in the model's own folder"),
        ("location", "", "wanted a file in the model's own folder"),
        ("location", "gone.data", "which is not there; put it beside the model"),
        ("length", "8", "wants .* bytes, the model says 8 at"),
        ("offset", "99999999", "which has .*export both files again"),
        ("offset", "-4", "export both files again"),
        ("offset", "many", "cannot be read"),
    ],
)
def test_weights_elsewhere_are_not_read(tiny_graph: Graph, tmp_path: Path, key: str, value: str, message: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "secret.data").write_bytes(bytes(1 << 20))
    (home / "link.data").symlink_to(tmp_path / "secret.data")
    path = _with_weights_beside(onnx.load(tiny_graph.path), home)
    model = onnx.load(path, load_external_data=False)
    entries = next(each for each in model.graph.initializer if len(each.external_data)).external_data
    kept = {each.key: each.value for each in entries} | {key: value}
    del entries[:]
    for name, each in kept.items():
        entries.add(key=name, value=each)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(GraphError, match=message):
        parse_model(path)
