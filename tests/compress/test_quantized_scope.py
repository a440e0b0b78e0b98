"""Where int8 begins and ends in a graph."""

from __future__ import annotations

import onnx
from beltline.compress.quantized_scope import name_nodes, quantized_scope
from beltline.export.contracts import Graph
from onnx import helper


def graph_of(*nodes: tuple[str, list[str], list[str]]) -> onnx.GraphProto:
    made = helper.make_graph([helper.make_node(kind, i, o) for kind, i, o in nodes], "graph", [], [])
    name_nodes(made)
    return made


def test_nothing_before_the_first_weights_or_behind_the_last() -> None:
    scope = quantized_scope(
        graph_of(
            ("Cast", ["frame"], ["pixels"]),
            ("Conv", ["pixels", "w1"], ["a"]),
            ("Relu", ["a"], ["b"]),
            ("Conv", ["b", "w2"], ["logits"]),
            ("Sigmoid", ["logits"], ["map"]),
            ("ReduceMax", ["map"], ["score"]),
        )
    )
    assert scope.network == ("Conv_1", "Relu_2", "Conv_3")
    assert scope.last_layers == ("Conv_3",)
    assert scope.outside == ("Cast_0", "Sigmoid_4", "ReduceMax_5")


def test_branches_that_meet_again_are_inside() -> None:
    scope = quantized_scope(
        graph_of(
            ("Conv", ["x", "w1"], ["a"]),
            ("Conv", ["a", "w2"], ["b"]),
            ("Add", ["a", "b"], ["c"]),
            ("Gemm", ["c", "w3"], ["d"]),
            ("Shape", ["x"], ["size"]),
            ("Resize", ["d", "", "", "size"], ["e"]),
        )
    )
    assert scope.network == ("Conv_0", "Conv_1", "Add_2", "Gemm_3")
    assert scope.outside == ("Shape_4", "Resize_5")


def test_a_graph_without_weights_has_no_network() -> None:
    assert quantized_scope(graph_of(("Sigmoid", ["x"], ["y"]))).network == ()


def test_names_are_kept_where_there_are_some() -> None:
    node = helper.make_node("Relu", ["x"], ["y"], name="mine")
    graph = helper.make_graph([node], "graph", [], [])
    name_nodes(graph)
    assert [each.name for each in graph.node] == ["mine"]


def test_an_exported_inspector_keeps_resize_and_score_outside(tiny_graph: Graph) -> None:
    graph = onnx.load(tiny_graph.path).graph
    scope = quantized_scope(graph)
    kinds = {node.name: node.op_type for node in graph.node}
    assert {kinds[name] for name in scope.network} == {"Conv", "Relu", "Resize", "Add"}
    assert len(scope.last_layers) == 1
    assert {"Sigmoid", "AveragePool", "ReduceMax", "Cast", "Round"} <= {kinds[name] for name in scope.outside}
