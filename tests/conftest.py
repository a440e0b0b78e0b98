"""Parts that several floors' tests need: one tiny trained-like inspector, exported once per test run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from beltline.compress.checkpoint import Checkpoint, save_checkpoint
from beltline.export.contracts import Frame, Graph
from beltline.inspection.frame import FrameSpec
from loopback import device, make_device

__all__ = ["device", "make_device"]

NETWORK = {"family": "plain", "width": 8, "depth": 1}


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose scores spread over (0, 1); frames of any size, network input 64 x 96."""
    frame = FrameSpec(height=64, width=96, channels=1, mean=(0.5,), std=(0.25,))
    return write_tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors", frame)


@pytest.fixture(scope="session")
def tiny_graph(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """That checkpoint's ONNX."""
    from beltline.export.to_onnx import export_graph

    return export_graph(tiny_checkpoint, tmp_path_factory.mktemp("graph"))


@pytest.fixture(scope="session")
def frames() -> list[Frame]:
    """Twelve smooth grey frames 80 x 100 of differing brightness and contrast."""
    rng = np.random.default_rng(5)
    return [_frame(rng) for _ in range(12)]


def write_tiny_checkpoint(path: Path, frame: FrameSpec) -> Path:
    import torch
    from beltline.compress.families import build_network
    from beltline.compress.inspector import Inspector

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        inspector = Inspector(build_network(NETWORK, frame.channels), frame).eval()
        for module in inspector.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_var.uniform_(0.05, 0.2)
                module.running_mean.uniform_(-0.2, 0.2)
        inspector.network.head.logits.weight.data.mul_(30.0)
        inspector.network.head.logits.bias.data.fill_(-3.0)
    checkpoint = Checkpoint(network=NETWORK, frame=frame, lineage=("made for a test",), inspector=inspector)
    save_checkpoint(path, checkpoint)
    return path


def _frame(rng: np.random.Generator) -> Frame:
    import cv2

    coarse = rng.uniform(0, 1, (8, 10)) * rng.uniform(20, 200) + rng.uniform(0, 60)
    return np.clip(cv2.resize(coarse, (100, 80)), 0, 255).astype(np.uint8)[..., None].copy()
