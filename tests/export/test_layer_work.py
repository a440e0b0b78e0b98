from __future__ import annotations

import numpy as np
import onnx
import pytest
from beltline.export.contracts import Graph
from beltline.export.device_check.graph_index import index_of, index_of_model
from beltline.export.layer_work import layer_work
from beltline.inspection.base.errors import GraphError
from onnx import TensorProto, helper, numpy_helper


def model_of(kind: str, weights: tuple[int, ...], shape: list[int | str], **how: object) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node(kind, ["x", "w"], ["y"], name="layer", **how)],
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.zeros(weights, np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


@pytest.mark.parametrize(
    ("kind", "weights", "shape", "how", "macs", "activations"),
    [
        ("Conv", (8, 4, 3, 3), [1, 4, 6, 6], {"pads": [1] * 4}, 8 * 36 * 36, 36 * 12),
        ("Conv", (4, 1, 3, 3), [1, 4, 6, 6], {"pads": [1] * 4, "group": 4}, 4 * 36 * 9, 36 * 8),
        ("ConvTranspose", (4, 8, 2, 2), [1, 4, 6, 6], {"strides": [2, 2]}, 4 * 36 * 32, 4 * 36 + 8 * 144),
        ("Gemm", (10, 16), [2, 16], {"transB": 1}, 2 * 10 * 16, 2 * 26),
        ("MatMul", (16, 10), [2, 5, 16], {}, 10 * 10 * 16, 10 * 26),
    ],
)
def test_work_is_counted(
    kind: str, weights: tuple[int, ...], shape: list[int | str], how: dict[str, object], macs: int, activations: int
) -> None:
    (work,) = layer_work(index_of_model(model_of(kind, weights, shape, **how), "made"))
    assert (work.name, work.macs, work.weights, work.activations) == ("layer", macs, np.prod(weights), activations)


def test_an_exported_network_counts_as_torch_counts_it(tiny_graph: Graph) -> None:
    import torch
    from beltline.compress.checkpoint import load_checkpoint
    from beltline.compress.networks.base.counting import macs_of

    assert tiny_graph.checkpoint is not None
    network = load_checkpoint(tiny_graph.checkpoint).inspector.network
    counted = sum(each.macs for each in layer_work(index_of(tiny_graph.path)))
    assert counted == macs_of(network, torch.zeros(1, 1, 64, 96))


def test_a_size_that_varies_is_refused_with_the_way_out() -> None:
    model = model_of("Conv", (8, 4, 3, 3), [1, 4, "rows", 6])
    with pytest.raises(GraphError, match=r"layer: wanted the size of .* to be fixed.*frames of one size"):
        layer_work(index_of_model(model, "made"))
