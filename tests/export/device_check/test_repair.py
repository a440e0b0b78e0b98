"""Repair: the same numbers in a form that the device takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from beltline.export.device_check.check import check_file
from beltline.export.device_check.device_runtime import RUNTIMES
from beltline.export.device_check.repair import repair_file
from onnx import ModelProto, TensorProto, helper, numpy_helper

JETPACK = RUNTIMES["jetpack6.2"]
FRAME = np.random.default_rng(1).normal(0, 4, (1, 4, 8, 8)).astype(np.float32)


def layer(*, zero: int, bias: bool = True, positive: bool = False) -> ModelProto:
    rng = np.random.default_rng(0)
    constants = {
        "scale": np.float32(0.05),
        "zero": np.uint8(zero),
        "w_q": rng.integers(-127, 127, (4, 4, 3, 3)).astype(np.int8),
        "w_scale": np.full(4, 0.01, np.float32),
        "b_q": rng.integers(-5000, 5000, 4).astype(np.int32),
        "b_scale": np.full(4, 0.0005, np.float32),
    }
    head = [helper.make_node("Abs", ["x"], ["a"])] if positive else [helper.make_node("Identity", ["x"], ["a"])]
    nodes = [
        *head,
        helper.make_node("QuantizeLinear", ["a", "scale", "zero"], ["q"], name="Q"),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"], name="D"),
        helper.make_node("DequantizeLinear", ["w_q", "w_scale"], ["w"], axis=0),
        helper.make_node("DequantizeLinear", ["b_q", "b_scale"], ["b"], axis=0),
        helper.make_node("Conv", ["d", "w", *(["b"] if bias else [])], ["y"], pads=[1] * 4),
    ]
    graph = helper.make_graph(
        nodes if bias else [node for node in nodes if node.output[0] != "b"],
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 8, 8])],
        [numpy_helper.from_array(value, name) for name, value in constants.items() if bias or name[0] != "b"],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": FRAME})[0])


def test_uint8_around_128_becomes_int8_and_no_number_changes(tmp_path: Path) -> None:
    source, target = tmp_path / "a.onnx", tmp_path / "b.onnx"
    onnx.save(layer(zero=128), source)
    before = source.read_bytes()
    done = repair_file(source, target)
    assert (done.biases, done.shifted, done.coarser, done.calibrate_again) == (1, 2, 0, ())
    assert check_file(target, JETPACK).takes
    assert not check_file(source, JETPACK).takes
    np.testing.assert_allclose(run(target), run(source), rtol=0, atol=1e-5)
    assert source.read_bytes() == before


def test_uint8_around_0_keeps_its_range_with_half_of_the_levels(tmp_path: Path) -> None:
    source, target = tmp_path / "a.onnx", tmp_path / "b.onnx"
    onnx.save(layer(zero=0, positive=True), source)
    done = repair_file(source, target)
    assert (done.shifted, done.coarser) == (0, 2)
    assert check_file(target, JETPACK).takes
    one_level = 0.05 * 255 / 127
    weights = np.abs(numpy_helper.to_array(onnx.load(source).graph.initializer[2]).astype(np.float64) * 0.01)
    largest_change = weights.reshape(4, -1).sum(axis=1).max() * one_level
    assert np.abs(run(target) - run(source)).max() < largest_change


@pytest.mark.parametrize("zero", [1, 127, 200])
def test_any_other_zero_point_needs_calibration(zero: int, tmp_path: Path) -> None:
    source, target = tmp_path / "a.onnx", tmp_path / "b.onnx"
    onnx.save(layer(zero=zero, bias=False), source)
    assert repair_file(source, target).calibrate_again == ("Q", "D")
    assert not check_file(target, JETPACK).takes
    np.testing.assert_array_equal(run(target), run(source))


def test_weights_beside_the_file_are_checked_and_repaired_like_those_inside(tmp_path: Path) -> None:
    inside, beside, target = tmp_path / "a.onnx", tmp_path / "b.onnx", tmp_path / "c.onnx"
    onnx.save(layer(zero=128), inside)
    onnx.save_model(layer(zero=128), beside, save_as_external_data=True, location="b.data", size_threshold=0)
    one, other = check_file(inside, JETPACK), check_file(beside, JETPACK)
    assert not other.takes
    assert [each.rule for each in other.findings] == [each.rule for each in one.findings]
    numbers = run(beside)
    repair_file(beside, target)
    (tmp_path / "b.data").unlink()
    assert check_file(target, JETPACK).takes
    np.testing.assert_array_equal(run(target), numbers)
