from __future__ import annotations

from pathlib import Path

import pytest
import torch
from beltline.compress.checkpoint import Checkpoint, save_checkpoint
from beltline.compress.networks.base.families import build_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.inspection.data.frame import FrameSpec
from beltline.inspection.synthetic.dataset import write_synthetic_line
from beltline.pipeline.line.line_file import LineFile, load_line_file

LINE = """
name: small
line: {belt_speed_mm_s: 1500, part_pitch_mm: 15, camera_to_ejector_mm: 105, fixed_ms: {plc: 5}}
data: {root: data}
teacher: {weights: teacher.safetensors, device: cpu}
recipes:
  - name: tiny
    steps:
      - distill: &tiny
          network: {family: plain, width: 4, depth: 1}
          fit: {epochs: 9, batch: 8, augmentation: {crop: 32}}
          teacher: {score: 2, heatmap: 0, ramps: {score: {start: 1, end: 0.5}}}
  - name: tiny-int8
    steps: [{distill: *tiny}, quantize]
  - name: wider
    steps:
      - distill: {network: {family: plain, width: 8, depth: 1}, fit: {epochs: 9, batch: 8, augmentation: {crop: 32}}}
gates: {overkill: {max: 0.4}}
"""


@pytest.fixture(scope="package")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn line with three recipes of two students, and an untrained teacher."""
    folder = tmp_path_factory.mktemp("home")
    write_synthetic_line(folder / "data", seed=4, parts=30, exposures=1)
    torch.manual_seed(0)
    network = {"family": "plain", "width": 8, "depth": 1}
    frame = FrameSpec(height=128, width=128, channels=1, mean=(0.5,), std=(0.2,), frame_height=128, frame_width=128)
    inspector = Inspector(build_network(network, 1), frame)
    made = Checkpoint(network=network, frame=frame, lineage=("made for a test",), inspector=inspector)
    save_checkpoint(folder / "teacher.safetensors", made)
    (folder / "line.yaml").write_text(LINE)
    return folder / "line.yaml"


@pytest.fixture(scope="package")
def line_file(studied: Path) -> LineFile:
    return load_line_file(studied)
