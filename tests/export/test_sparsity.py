"""2:4 sparsity is seen in float weights and behind DequantizeLinear, and only where it is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from beltline.export.sparsity import is_two_of_four, sparse_fraction, sparsity_of_file
from onnx import ModelProto, TensorProto, helper, numpy_helper

RNG = np.random.default_rng(4)


def two_of_four(shape: tuple[int, ...], axis: int) -> np.ndarray[Any, Any]:
    weights = np.moveaxis(RNG.uniform(0.5, 1.0, shape), axis, -1).copy()
    weights[..., 1::4] = weights[..., 2::4] = 0
    return np.moveaxis(weights, -1, axis).astype(np.float32)


def model_of(nodes: list[Any], constants: dict[str, np.ndarray[Any, Any]], shape: list[int]) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def conv(weights: np.ndarray[Any, Any]) -> ModelProto:
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="layer")
    return model_of([node], {"w": weights}, [1, weights.shape[1], 8, 8])


def quantized_conv(weights: np.ndarray[Any, Any]) -> ModelProto:
    scales = np.abs(weights).max(axis=(1, 2, 3)) / 127
    stored = np.round(weights / scales[:, None, None, None]).astype(np.int8)
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=0),
        helper.make_node("Conv", ["x", "w"], ["y"], name="layer"),
    ]
    constants = {"q": stored, "s": scales.astype(np.float32), "z": np.zeros(len(scales), np.int8)}
    return model_of(nodes, constants, [1, weights.shape[1], 8, 8])


@pytest.mark.parametrize("make", [conv, quantized_conv])
def test_the_zeros_of_a_convolution_are_seen(make: Any, tmp_path: Path) -> None:
    sparse, dense = two_of_four((6, 8, 3, 3), 1), RNG.uniform(0.5, 1, (6, 8, 3, 3)).astype(np.float32)
    onnx.save(make(sparse), tmp_path / "sparse.onnx")
    found = sparsity_of_file(tmp_path / "sparse.onnx")
    assert (found.sparse, found.dense, found.left, found.fraction) == (("layer",), (), (), 1.0)
    assert sparse_fraction(make(dense)) == 0.0


def test_half_of_the_weights_at_zero_in_the_wrong_places_is_not_sparse() -> None:
    weights = RNG.uniform(0.5, 1, (6, 8, 3, 3)).astype(np.float32)
    weights[:, :4] = 0
    assert (weights == 0).mean() == 0.5
    assert sparse_fraction(conv(weights)) == 0.0


def test_zeros_along_the_outputs_are_not_sparse() -> None:
    assert sparse_fraction(conv(two_of_four((8, 8, 3, 3), 0))) == 0.0


@pytest.mark.parametrize(("transposed", "axis"), [(1, 1), (0, 0)])
def test_a_gemm_is_sparse_along_its_reduction(transposed: int, axis: int) -> None:
    weights = two_of_four((16, 8) if transposed else (8, 16), axis)
    node = helper.make_node("Gemm", ["x", "w"], ["y"], transB=transposed)
    assert sparse_fraction(model_of([node], {"w": weights}, [1, 8])) == 1.0
    assert sparse_fraction(model_of([node], {"w": weights.T[::-1].copy().T}, [1, 8])) == 1.0


def test_layers_whose_channels_do_not_come_in_fours_are_named(tmp_path: Path) -> None:
    onnx.save(conv(two_of_four((6, 8, 3, 3), 1)[:, :3]), tmp_path / "stem.onnx")
    found = sparsity_of_file(tmp_path / "stem.onnx")
    assert found.left == ("layer (3 input channels)",)
    assert found.fraction == 0.0


def test_an_empty_layer_is_not_called_sparse() -> None:
    assert not is_two_of_four(np.zeros((4, 8)))
