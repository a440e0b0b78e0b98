"""Every family of networks goes the whole way, from checkpoint to ONNX Runtime and OpenVINO, with one score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from beltline.compress.checkpoint import Checkpoint, save_checkpoint
from beltline.compress.methods.prune.structured import prune_channels
from beltline.compress.networks.base.families import build_network, normal_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.export.artifacts import backends
from beltline.export.to_onnx import export_graph
from beltline.inspection.data.frame import FrameSpec
from beltline.targets.target import Target

FAMILIES = [
    {"family": "plain", "width": 8, "depth": 2, "stride": 8},
    {"family": "timm", "backbone": "mobilenetv3_small_050", "width": 8},
    {"family": "timm", "backbone": "tf_efficientnet_lite0", "width": 8, "pretrained": True, "whole_frame": True},
    {"family": "smp", "encoder": "resnet18", "decoder_width": 64},
]
FRAME = FrameSpec(height=96, width=64, channels=3, mean=(0.5, 0.4, 0.3), std=(0.25, 0.2, 0.2))


@pytest.mark.parametrize("network", FAMILIES, ids=lambda network: f"{network['family']} {network.get('backbone', '')}")
def test_a_pruned_colour_network_scores_alike_everywhere(network: dict[str, object], tmp_path: Path) -> None:
    torch.manual_seed(0)
    settled = normal_network(network)
    inspector = Inspector(build_network(settled, 3), FRAME).eval()
    prune_channels(inspector, ratio=0.3, round_to=8)
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, Checkpoint(network=settled, frame=FRAME, lineage=(), inspector=inspector))
    graph = export_graph(path, tmp_path)
    frame = np.random.default_rng(0).integers(0, 256, (70, 110, 3), dtype=np.uint8)
    scores = {}
    for name in ("torch_eager", "onnx_runtime", "open_vino"):  # compiling three networks more would take a minute
        backend = backends()[name]
        folder = tmp_path / name
        folder.mkdir()
        artifact = backend.build(graph, Target(name="local", threads=1, cpus=(0,)), folder)
        with backend.load(artifact, threads=1) as session:
            scores[name] = session.infer(frame).score
    assert scores == pytest.approx(dict.fromkeys(scores, scores["torch_eager"]), abs=1e-5)
