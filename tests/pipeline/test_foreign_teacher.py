"""An ONNX file as anomalib and as ultralytics export them, from `teacher.onnx` to a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from beltline.compress.teacher.settings import TeacherSettings
from beltline.export.bundles.reading import open_bundle
from beltline.export.contracts import Frame
from beltline.export.foreign_graph import wrap_graph
from beltline.export.graph_file import open_graph
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.data.streaming import frames_of
from beltline.inspection.synthetic.dataset import write_synthetic_line
from beltline.pipeline.console import Console
from beltline.pipeline.line.line_file import load_line_file
from beltline.pipeline.run import run_job
from onnx import TensorProto, helper, numpy_helper
from sorted_line import write_sorted_line

LINE = """
name: small
line: {belt_speed_mm_s: 1500, part_pitch_mm: 150, camera_to_ejector_mm: 4500, fixed_ms: {plc: 5}}
data: {root: data}
teacher: TEACHER
recipes:
  - {name: small, backend: onnx_runtime}
  - {name: small-int8, backend: onnx_runtime, steps: [{quantize: {frames: 8}}]}
gates: {deadline_miss: {max: 0.4, confidence: 0.6}, escape: {max: 0.9, max_increase: 0.9}, overkill: {max: 0.9}}
threshold: {max_overkill: 0.4}
threads: 1
measure: {minutes: 0.02}
"""
KEYS: dict[str, dict[str, Any]] = {
    "anomalib": {"output": "anomaly_map", "kind": "anomaly_map", "mean": [0.45], "std": [0.22], "input_size": [64, 64]},
    "ultralytics": {"output": "output0", "kind": "class_probabilities", "normalisation": "unit"},
}


def _anomalib(path: Path, _frames: list[Frame]) -> None:
    """Four outputs, batch and size open: score, label, map and mask, one made from the other."""
    nodes = [
        helper.make_node("Conv", ["input", "w"], ["edges"], kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["edges"], ["kept"]),
        helper.make_node("Conv", ["kept", "v"], ["parts"], kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Abs", ["parts"], ["size"]),
        helper.make_node("ReduceMean", ["size"], ["anomaly_map"], axes=[1], keepdims=1),
        helper.make_node("ReduceMax", ["anomaly_map"], ["pred_score"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Greater", ["pred_score", "limit"], ["pred_label"]),
        helper.make_node("Greater", ["anomaly_map", "limit"], ["pred_mask"]),
    ]
    random = np.random.default_rng(0)
    weights = {
        "w": random.normal(size=(8, 1, 3, 3)).astype(np.float32),
        "v": random.normal(size=(8, 8, 3, 3)).astype(np.float32),
        "limit": np.float32(1.0),
    }
    maps = ["batch", 1, "rows", "columns"]
    outputs = {
        "pred_score": (TensorProto.FLOAT, ["batch"]),
        "pred_label": (TensorProto.BOOL, ["batch"]),
        "anomaly_map": (TensorProto.FLOAT, maps),
        "pred_mask": (TensorProto.BOOL, maps),
    }
    _write(path, nodes, ("input", ["batch", 1, "height", "width"]), outputs, weights)


def _ultralytics(path: Path, frames: list[Frame]) -> None:
    """A classifier of one fixed size: `images` to `output0`, probabilities of two classes, spread over these frames."""
    random = np.random.default_rng(3)
    nodes = [
        helper.make_node("Conv", ["images", "w"], ["maps"], kernel_shape=[3, 3], strides=[2, 2]),
        helper.make_node("Relu", ["maps"], ["kept"]),
        helper.make_node("GlobalAveragePool", ["kept"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "m", "c"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["output0"], axis=1),
    ]
    weights = {
        "w": random.normal(size=(8, 1, 3, 3)).astype(np.float32),
        "m": (4 * random.normal(size=(8, 2))).astype(np.float32),
        "c": np.zeros(2, np.float32),
    }
    given, outputs = ("images", [1, 1, 96, 96]), {"output0": (TensorProto.FLOAT, [1, 2])}
    _write(path, nodes, given, {"logits": (TensorProto.FLOAT, [1, 2])}, weights)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    pictures = [cv2.resize(frame, (96, 96))[None, None].astype(np.float32) / 255 for frame in frames]
    apart = np.array([np.subtract(*session.run(["logits"], {"images": each})[0][0][::-1]) for each in pictures])
    scale = np.float32(2 / apart.std())
    weights |= {"m": weights["m"] * scale, "c": np.array([0, -apart.mean() * scale], np.float32)}
    _write(path, nodes, given, outputs, weights)


def _write(path: Path, nodes: list[Any], given: tuple[str, list[Any]], outputs: Any, weights: Any) -> None:
    graph = helper.make_graph(
        nodes,
        "theirs",
        [helper.make_tensor_value_info(given[0], TensorProto.FLOAT, given[1])],
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in outputs.items()],
        [numpy_helper.from_array(np.asarray(each), name) for name, each in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, path, save_as_external_data=True, location="theirs.data", size_threshold=0)


@pytest.mark.parametrize("tool", ["anomalib", "ultralytics"])
def test_from_a_foreign_file_to_a_bundle(tool: str, tmp_path: Path) -> None:
    write_synthetic_line(tmp_path / "drawn", seed=4, parts=60, exposures=1)
    drawn = load_dataset(DataSettings(root=tmp_path / "drawn"))
    write = {"anomalib": _anomalib, "ultralytics": _ultralytics}[tool]
    write(tmp_path / "theirs.onnx", list(frames_of(drawn, drawn.of("train"))))
    settings = TeacherSettings.model_validate({"onnx": tmp_path / "theirs.onnx", **KEYS[tool]})
    wrap_graph(tmp_path / "theirs.onnx", settings, drawn, tmp_path / "w.onnx")
    write_sorted_line(tmp_path / "data", open_graph(tmp_path / "w.onnx"), seed=4, parts=60)
    text = LINE.replace("TEACHER", json.dumps({"onnx": "theirs.onnx", **KEYS[tool]}))
    (tmp_path / "line.yaml").write_text(text)
    outcome = run_job(load_line_file(tmp_path / "line.yaml"), runs=tmp_path / "runs", console=Console())
    report = json.loads((tmp_path / "runs" / "small" / "report.json").read_text())
    rows = {row["name"]: row for row in report["rows"]}
    assert set(rows) == {"teacher", "small", "small-int8"}
    assert rows["small-int8"]["precision"] == "int8"
    assert rows["teacher"]["quality"]["auroc"] > 0.9
    assert rows["small-int8"]["quality"]["auroc"] > 0.7
    assert rows["small"]["lineage"][0].startswith("teacher brought along: theirs.onnx")
    assert outcome.verdict == "fits"
    with open_bundle(Path(outcome.summary["bundle"])) as bundle:
        assert bundle.manifest.models[0].row == report["selected"]
