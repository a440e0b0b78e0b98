"""Where int8 begins and ends in a graph."""

from __future__ import annotations

import onnx
from beltline.compress.methods.quantize.scope import leave_sums_to_layers, name_nodes, quantized_scope
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


def test_of_a_residual_sum_only_the_shortcut_stays_quantized() -> None:
    graph = graph_of(
        ("Conv", ["x", "w1"], ["a"]),
        ("QuantizeLinear", ["a", "s", "z"], ["a_q"]),
        ("DequantizeLinear", ["a_q", "s", "z"], ["a_d"]),
        ("QuantizeLinear", ["x", "s", "z"], ["x_q"]),
        ("DequantizeLinear", ["x_q", "s", "z"], ["x_d"]),
        ("Add", ["x_d", "a_d"], ["y"]),
    )
    graph.output.append(helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None))
    leave_sums_to_layers(graph)
    assert list(graph.node[-1].input) == ["x_d", "a"]
    assert [node.op_type for node in graph.node] == ["Conv", "QuantizeLinear", "DequantizeLinear", "Add"]


def test_of_two_layers_the_later_one_gets_the_sum() -> None:
    graph = graph_of(
        ("Conv", ["x", "w1"], ["a"]),
        ("QuantizeLinear", ["a", "s", "z"], ["a_q"]),
        ("DequantizeLinear", ["a_q", "s", "z"], ["a_d"]),
        ("Conv", ["a_d", "w2"], ["b"]),
        ("QuantizeLinear", ["b", "s", "z"], ["b_q"]),
        ("DequantizeLinear", ["b_q", "s", "z"], ["b_d"]),
        ("Add", ["a_d", "b_d"], ["y"]),
    )
    graph.output.append(helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None))
    leave_sums_to_layers(graph)
    assert list(graph.node[-1].input) == ["a_d", "b"]
    assert sum(node.op_type == "DequantizeLinear" for node in graph.node) == 1
