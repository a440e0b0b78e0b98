"""A small line, worked off whole by the front door; what it leaves is what contracts of reports look at."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import beltline
import pytest
from beltline.inspection.synthetic.dataset import write_synthetic_line

LINE = """
name: small
line: {belt_speed_mm_s: 1500, part_pitch_mm: 150, camera_to_ejector_mm: 4500, fixed_ms: {plc: 5}}
data: {root: data}
teacher: {weights: tiny.safetensors}
recipes:
  - {name: int8, backend: onnx_runtime, steps: [{quantize: {frames: 8}}]}
measure: {minutes: 0.05}
threads: 1
"""


@pytest.fixture(scope="session")
def small_line(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a line file whose teacher is the tiny checkpoint, and whose only row is its int8 form."""
    folder = tmp_path_factory.mktemp("small")
    write_synthetic_line(folder / "data", seed=4, parts=30, exposures=1)
    shutil.copyfile(tiny_checkpoint, folder / "tiny.safetensors")
    (folder / "line.yaml").write_text(LINE)
    return folder / "line.yaml"


@pytest.fixture(scope="session")
def finished_line(small_line: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the report.json of a run of `small_line`."""
    runs = tmp_path_factory.mktemp("finished")
    outcome = beltline.run(small_line, runs=runs, progress=io.StringIO())
    return Path(outcome.summary["report_json"])
