"""A run's engine timer: what it measures on, and a whole step that works towards a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from beltline.inspection.synthetic.dataset import write_synthetic_line
from beltline.pipeline.console import Console
from beltline.pipeline.line.line_file import load_line_file
from beltline.pipeline.run import run_job
from beltline.pipeline.stages.stages import journal

FIT = {"epochs": 1, "samples_per_epoch": 16, "batch": 8, "augmentation": {"crop": 64}}


def line(folder: Path, engine_ms: float) -> Path:
    pruned = {"engine_ms": engine_ms, "round_to": 8, "fit": FIT}
    content = {
        "line": {"belt_speed_mm_s": 500, "part_pitch_mm": 120, "camera_to_ejector_mm": 60},
        "data": {"root": "data", "reader": "labels_csv"},
        "teacher": {"network": {"family": "plain", "width": 16, "depth": 1}, "fit": FIT},
        "recipes": [{"name": "own", "backend": "onnx_runtime", "steps": [{"prune": pruned}]}],
    }
    path = folder / "line.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.slow
def test_a_recipe_is_pruned_to_a_time_on_the_device_of_its_line(tmp_path: Path) -> None:
    from beltline.inspection.base.errors import RecipeError

    write_synthetic_line(tmp_path / "data", seed=3, parts=30, exposures=1)
    runs, console = tmp_path / "runs", Console(bars=False)
    with pytest.raises(RecipeError, match=r"engine_ms 1e-05 cannot be reached: .* ms is the least"):
        run_job(load_line_file(line(tmp_path, 1e-5)), runs=runs, until="compress", console=console)
    (kept,) = (runs / ".latency").iterdir()
    measured = json.loads(kept.read_text())["samples"]
    full_ms, least_ms = measured[0]["engine_ms"], measured[1]["engine_ms"]
    middle_ms = (full_ms * least_ms) ** 0.5
    asked = load_line_file(line(tmp_path, middle_ms))
    outcome = run_job(asked, runs=runs, until="compress", console=console)
    assert Path(outcome.summary["files"][-1]).is_file()
    assert [entry["stage"] for entry in journal(runs / asked.run_name)].count("prune") == 3
    assert json.loads(kept.read_text())["samples"] == measured, "the second step takes the first one's table"
