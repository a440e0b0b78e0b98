"""Pixels are cast first: the same numbers, in the order that TensorRT takes."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from beltline.compress.pixels_first import cast_pixels_first
from beltline.export.contracts import Graph
from onnx import ModelProto, TensorProto, helper

FRAMES = [np.random.default_rng(seed).integers(0, 256, (80 + seed, 100, 1)).astype(np.uint8) for seed in range(3)]


def run(model: ModelProto, frame: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"frame": frame})


def made(
    nodes: list[onnx.NodeProto], *, outputs: tuple[str, ...] = ("y",), kind: int = TensorProto.FLOAT
) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("frame", TensorProto.UINT8, ["h", "w", 1])],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def readers_of_frame(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node if "frame" in node.input]


def test_an_inspector_gives_the_same_bits(tiny_graph: Graph) -> None:
    before, after = onnx.load(tiny_graph.path), onnx.load(tiny_graph.path)
    assert readers_of_frame(before) != ["Cast"], "else there is nothing to see here"
    assert cast_pixels_first(after)
    assert readers_of_frame(after) == ["Cast"]
    onnx.checker.check_model(after, full_check=True)
    for frame in FRAMES:
        for old, new in zip(run(before, frame), run(after, frame), strict=True):
            np.testing.assert_array_equal(old, new)
    assert not cast_pixels_first(after), "done once, there is nothing left to do"


def test_casts_to_other_types_stay() -> None:
    nodes = [
        helper.make_node("Transpose", ["frame"], ["t"], perm=[2, 0, 1]),
        helper.make_node("Cast", ["t"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["t"], ["full"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["half"], ["back"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["back", "full"], ["y"]),
    ]
    before, after = made(nodes), made(nodes)
    assert cast_pixels_first(after)
    assert [node.attribute[0].i for node in after.graph.node if node.op_type == "Cast"] == [1, 10, 1]
    np.testing.assert_array_equal(run(before, FRAMES[0])[0], run(after, FRAMES[0])[0])


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("Max", ["frame", "frame"], ["m"]), helper.make_node("Cast", ["m"], ["y"], to=1)],
        [helper.make_node("Cast", ["frame"], ["y"], to=TensorProto.FLOAT)],
    ],
    ids=["computed with", "cast at once"],
)
def test_what_is_not_only_moved_is_left_alone(nodes: list[onnx.NodeProto]) -> None:
    model = made(nodes)
    before = model.SerializeToString(deterministic=True)
    assert not cast_pixels_first(model)
    assert model.SerializeToString(deterministic=True) == before


def test_pixels_that_the_graph_gives_out_are_left_alone() -> None:
    nodes = [helper.make_node("Transpose", ["frame"], ["y"], perm=[2, 0, 1])]
    assert not cast_pixels_first(made(nodes, kind=TensorProto.UINT8))


def joined(*, computes: bool) -> ModelProto:
    """A frame and its reference in one tensor; with `computes` something adds up the reference's pixels as uint8."""
    nodes = [
        helper.make_node("Concat", ["frame", "reference"], ["both"], axis=2),
        helper.make_node("Transpose", ["both"], ["t"], perm=[2, 0, 1]),
        helper.make_node("Cast", ["t"], ["full"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["full"], ["y"], keepdims=0),
    ]
    if computes:
        nodes += [helper.make_node("BitwiseNot", ["both"], ["z"])]
    model = made(nodes)
    model.graph.input.append(helper.make_tensor_value_info("reference", TensorProto.UINT8, ["h", "w", 2]))
    if computes:
        model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.UINT8, None))
    return model


def test_inputs_that_are_joined_are_cast_together() -> None:
    before, after = joined(computes=False), joined(computes=False)
    assert cast_pixels_first(after)
    readers = {node.op_type for node in after.graph.node if {"frame", "reference"} & set(node.input)}
    assert readers == {"Cast"}
    given = {"frame": FRAMES[0], "reference": np.repeat(FRAMES[0] // 2, 2, axis=2)}
    old, new = (
        onnxruntime.InferenceSession(each.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, given)
        for each in (before, after)
    )
    np.testing.assert_array_equal(old[0], new[0])


def test_joined_inputs_that_something_computes_with_are_left_alone() -> None:
    model = joined(computes=True)
    before = model.SerializeToString()
    assert not cast_pixels_first(model)
    assert model.SerializeToString() == before
