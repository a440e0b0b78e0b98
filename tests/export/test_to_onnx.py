"""Export: the same bytes every time, the right dimensions, nothing of the machine in the file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from beltline.compress.checkpoint import Checkpoint, load_checkpoint
from beltline.compress.networks.base.inspector import Inspector
from beltline.export import to_onnx
from beltline.export.contracts import Frame, Graph
from beltline.export.graph_file import open_graph
from beltline.inspection.base.errors import GraphError, WeightsError
from beltline.inspection.base.storage import digest_of_file
from beltline.inspection.data.frame import FrameSpec
from torch import Tensor, nn

FIXED = FrameSpec(height=64, width=96, channels=1, mean=(0.5,), std=(0.25,), frame_height=64, frame_width=96)


class MeanNetwork(nn.Module):
    """Cell means as logits: exports in a moment."""

    def forward(self, pixels: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(pixels, 8).mean(dim=1, keepdim=True)


class CountingNetwork(nn.Module):
    """What it computes depends on the values it sees, which a graph cannot say."""

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels[:, :1] * len(pixels.mean().tolist() if pixels.mean() > 0 else "none")


def export(network: nn.Module, frame: FrameSpec, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Graph:
    from beltline.compress import checkpoint as module

    made = Checkpoint(network={}, frame=frame, lineage=(), inspector=Inspector(network, frame))
    monkeypatch.setattr(module, "load_checkpoint", lambda _: made)
    return to_onnx.export_graph(Path("made.safetensors"), folder)


def test_the_graph_keeps_the_inspector_contract(tiny_graph: Graph, tiny_checkpoint: Path) -> None:
    graph = onnx.load(tiny_graph.path).graph
    assert [dimension.dim_param for dimension in graph.input[0].type.tensor_type.shape.dim] == ["height", "width", ""]
    assert tiny_graph.frame == load_checkpoint(tiny_checkpoint).frame
    assert (tiny_graph.precision, tiny_graph.checkpoint) == ("fp32", tiny_checkpoint)
    assert tiny_graph.digest == digest_of_file(tiny_graph.path)
    assert open_graph(tiny_graph.path, checkpoint=tiny_checkpoint) == tiny_graph


def test_batch_norm_is_folded_away(tiny_graph: Graph) -> None:
    assert "BatchNormalization" not in {node.op_type for node in onnx.load(tiny_graph.path).graph.node}


def test_the_same_checkpoint_gives_the_same_bytes(tiny_graph: Graph, tiny_checkpoint: Path, tmp_path: Path) -> None:
    assert to_onnx.export_graph(tiny_checkpoint, tmp_path).digest == tiny_graph.digest


def test_the_file_tells_nothing_of_the_machine(tiny_graph: Graph) -> None:
    content = tiny_graph.path.read_bytes()
    for word in (b"stack_trace", b".py", os.fsencode(Path.cwd()), os.fsencode(tiny_graph.path.parent)):
        assert word not in content


def test_exporting_prints_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    export(MeanNetwork(), FIXED, tmp_path, monkeypatch)
    assert capfd.readouterr() == ("", "")


def test_fixed_frames_are_not_resized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = export(MeanNetwork(), FIXED, tmp_path, monkeypatch)
    model = onnx.load(graph.path).graph
    assert "Resize" not in {node.op_type for node in model.node}
    assert [dimension.dim_value for dimension in model.input[0].type.tensor_type.shape.dim] == [64, 96, 1]


def test_colour_frames_of_any_size_score_as_in_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = FrameSpec(height=64, width=96, channels=3, mean=(0.5, 0.4, 0.3), std=(0.25, 0.2, 0.2))
    graph = export(MeanNetwork(), spec, tmp_path, monkeypatch)
    engine = onnxruntime.InferenceSession(graph.path)
    for height, width in ((64, 96), (33, 200), (500, 31)):
        frame: Frame = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
        score, heatmap = engine.run(["score", "heatmap"], {"frame": frame})
        with torch.inference_mode():
            expected_score, expected_heatmap = Inspector(MeanNetwork(), spec)(torch.from_numpy(frame))
        assert score == pytest.approx(expected_score.item(), abs=1e-5)
        assert np.abs(heatmap.astype(int) - expected_heatmap.numpy().astype(int)).max() <= 1


def test_a_network_that_onnx_cannot_say_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GraphError, match=r"made\.safetensors: torch cannot say this network in ONNX: \w+"):
        export(CountingNetwork(), FIXED, tmp_path, monkeypatch)
    assert list(tmp_path.iterdir()) == []


def test_no_checkpoint_no_graph(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.safetensors"):
        to_onnx.export_graph(tmp_path / "none.safetensors", tmp_path)
