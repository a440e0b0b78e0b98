"""The whole job on a small drawn line: real training, export, OpenVINO, measurement, verdict and report."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from beltline.benchmarks.report.reading import read_report
from beltline.compress.checkpoint import load_checkpoint
from beltline.inspection.base.errors import DataError, GraphError, LineFileError, WeightsError
from beltline.inspection.synthetic.dataset import write_synthetic_line
from beltline.pipeline.console import Console
from beltline.pipeline.line.line_file import LineFile, load_line_file
from beltline.pipeline.run import Outcome, run_job
from beltline.pipeline.stages.stages import journal
from safetensors.torch import save_file
from torch import nn

ROOT = Path(__file__).parents[2]
LINE = """
name: small
line: {belt_speed_mm_s: 1500, part_pitch_mm: 15, camera_to_ejector_mm: 105, fixed_ms: {plc: 5}}
data: {root: data}
teacher:
  network: {family: plain, width: 8, depth: 1}
  fit: {epochs: 2, samples_per_epoch: 48, batch: 8, augmentation: {crop: 64}}
  device: cpu
recipes:
  - name: half
    steps:
      - prune: {ratio: 0.3, round_to: 2, fit: {epochs: 1, samples_per_epoch: 24, batch: 8, augmentation: {crop: 64}}}
  - name: half-int8
    backend: onnx_runtime
    steps:
      - prune: {ratio: 0.3, round_to: 2, fit: {epochs: 1, samples_per_epoch: 24, batch: 8, augmentation: {crop: 64}}}
      - quantize: {frames: 16}
gates: {deadline_miss: {max: 0.05, confidence: 0.9}, escape: {max: 0.999, max_increase: 0.3}, overkill: {max: 0.4}}
threads: 1
measure: {minutes: 0.05}
"""


def write_line(folder: Path, text: str = LINE) -> Path:
    path = folder / "line.yaml"
    path.write_text(text)
    return path


def run(path: Path, **options: Any) -> Outcome:
    line_file: LineFile = load_line_file(path)
    return run_job(line_file, runs=path.parent / "runs", console=Console(), **options)


def finished(folder: Path) -> Counter[str]:
    return Counter(entry["digest"] for entry in journal(folder) if entry["event"] == "finished")


def names(folder: Path, start: int = 0) -> list[str]:
    return [entry["stage"] for entry in journal(folder)[start:] if entry["event"] == "finished"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    write_synthetic_line(folder / "data", seed=4, parts=60, exposures=2)
    write_line(folder)
    return folder


@pytest.fixture(scope="module")
def done(home: Path) -> Outcome:
    return run(home / "line.yaml")


def test_a_run_ends_in_a_verdict_and_a_report(home: Path, done: Outcome) -> None:
    folder = home / "runs" / "small"
    report = read_report(folder / "report.json")
    assert done.exit_code == {"fits": 0, "misses": 3, "inconclusive": 4}[done.verdict]
    assert [row["role"] for row in report["rows"]] == ["teacher", "candidate", "candidate"]
    assert [row["backend"] for row in report["rows"]] == ["torch_eager", "open_vino", "onnx_runtime"]
    assert [row["precision"] for row in report["rows"]] == ["fp32", "fp32", "int8"]
    assert report["data"]["images"] == {
        split: len(rows) for split, rows in json.loads((folder / "splits.json").read_text())["splits"].items()
    }
    teacher, half, int8 = report["rows"]
    assert half["parameters"] < teacher["parameters"]
    assert half["macs"] < teacher["macs"]
    assert int8["size_bytes"] < half["size_bytes"]
    assert half["parity"]["flips"] == 0
    assert half["quality"]["paired"]["against"] == "teacher"
    page = (folder / "report.html").read_text()
    assert page.startswith("<!")
    assert "half-int8" in page


def test_every_artifact_in_the_report_is_there(home: Path, done: Outcome) -> None:
    assert done.report == home / "runs" / "small" / "report.html"
    for row in read_report(home / "runs" / "small" / "report.json")["rows"]:
        assert Path(row["artifact"]).is_file()


def test_rows_that_begin_alike_share_their_stages(home: Path, done: Outcome) -> None:
    assert done.verdict
    assert names(home / "runs" / "small").count("prune") == 1


def test_a_second_run_repeats_no_stage(home: Path, done: Outcome) -> None:
    before = finished(home / "runs" / "small")
    again = run(home / "line.yaml")
    assert finished(home / "runs" / "small") == before
    assert again.verdict == done.verdict


def test_a_changed_key_redoes_only_what_depends_on_it(home: Path, done: Outcome, tmp_path: Path) -> None:
    assert done.verdict
    folder = home / "runs" / "small"
    start = len(journal(folder))
    run(write_line(home, LINE.replace("max_increase: 0.3", "max_increase: 0.2")))
    assert names(folder, start) == [], "a quality gate changes the judgement, nothing that was made or measured"
    run(write_line(home, LINE.replace("frames: 16", "frames: 12")))
    assert set(names(folder, start)) == {
        "quantize", "build onnx_runtime", "parity", "score", "measure belt", "measure back_to_back", "pack",
    }  # fmt: skip
    write_line(home)
    assert tmp_path.is_dir()


def test_single_verbs_use_the_same_stages(home: Path, done: Outcome) -> None:
    assert done.verdict
    before = finished(home / "runs" / "small")
    for until in ("train", "compress", "export"):
        outcome = run(home / "line.yaml", until=until)
        assert outcome.exit_code == 0
        assert all(Path(file).is_file() for file in outcome.summary["files"])
    assert finished(home / "runs" / "small") == before


def test_a_finished_onnx_file_can_be_the_teacher(home: Path, done: Outcome) -> None:
    assert done.verdict
    stages = (home / "runs" / "small" / "stages").glob("*/stage.json")
    graph = next(path for path in stages if json.loads(path.read_text())["stage"] == "export").with_name("model.onnx")
    (home / "own.onnx").write_bytes(graph.read_bytes())
    text = (
        LINE[: LINE.index("teacher:")]
        + "teacher: {onnx: own.onnx}\nrecipes:\n  - {name: own-int8, steps: [quantize]}\n"
    )
    path = home / "onnx.yaml"
    path.write_text(text.replace("name: small", "name: finished") + LINE[LINE.index("gates:") :])
    run(path)
    rows = read_report(home / "runs" / "finished" / "report.json")["rows"]
    assert [(row["name"], row["backend"]) for row in rows] == [("teacher", "onnx_runtime"), ("own-int8", "open_vino")]
    path.write_text(path.read_text().replace("steps: [quantize]", "steps: [prune]"))
    with pytest.raises(LineFileError, match="only graph steps"):
        run(path)


def test_a_module_of_the_users_own_can_be_the_teacher(home: Path) -> None:
    (home / "own_models.py").write_text("from torch import nn\n\ndef build():\n    return nn.Conv2d(1, 1, 3, 8, 1)\n")
    torch.manual_seed(0)
    save_file(nn.Conv2d(1, 1, 3, 8, 1).state_dict(), home / "own.safetensors")
    path = home / "own.yaml"
    path.write_text(
        LINE[: LINE.index("teacher:")].replace("name: small", "name: own")
        + 'teacher: {factory: "own_models:build", weights: own.safetensors, normalisation: data}\n'
    )
    outcome = run(path, until="export")
    assert load_checkpoint(Path(outcome.summary["files"][0])).lineage[0].startswith("teacher brought along")
    before = len(journal(home / "runs" / "own"))
    run(path, until="export")
    assert names(home / "runs" / "own", before) == []
    with (home / "own_models.py").open("a") as code:
        code.write("\n# another state of the user's code\n")
    run(path, until="export")
    assert "teacher" in names(home / "runs" / "own", before), "edited code makes another teacher"


def test_wrong_input_leaves_one_clear_message(home: Path, tmp_path: Path) -> None:
    cases = {
        "teacher: {onnx: data/labels.csv}": "labels.csv",
        "teacher: {weights: nowhere.safetensors}": "nowhere.safetensors",
        "teacher: {weights: data/labels.csv}": "not a Beltline checkpoint",
    }
    for teacher, message in cases.items():
        text = f"{LINE[: LINE.index('teacher:')]}{teacher}\n".replace("root: data", f"root: {home / 'data'}")
        path = write_line(
            tmp_path, text.replace("nowhere", str(tmp_path / "nowhere")).replace("data/", f"{home}/data/")
        )
        with pytest.raises((LineFileError, WeightsError, GraphError), match=message):
            run(path)
        assert not list((tmp_path / "runs").rglob("report.json"))
    missing = write_line(tmp_path, LINE.replace("root: data", "root: nothing_here"))
    with pytest.raises(DataError, match="nothing_here"):
        run(missing)


def _killed_after(seconds: float, path: Path) -> int:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".dev"), "OMP_NUM_THREADS": "1"}
    argv = [sys.executable, "-m", "beltline.pipeline", "run", str(path), "--runs", str(path.parent / "runs")]
    with subprocess.Popen(
        argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return -9


@pytest.mark.slow
def test_killed_at_ten_moments_no_finished_stage_runs_twice(home: Path, done: Outcome, tmp_path: Path) -> None:
    """Kill -9 at random moments, then finish; the stages and the scores are those of a run that was left alone."""
    assert done.verdict
    (tmp_path / "data").symlink_to(home / "data", target_is_directory=True)
    path = write_line(tmp_path, LINE.replace("root: data", f"root: {home / 'data'}"))
    chance = random.Random(0)
    killed = 0
    deadline = time.monotonic() + 900
    while killed < 10 and time.monotonic() < deadline:
        killed += _killed_after(chance.uniform(3, 14), path) == -9
    while (code := _killed_after(300, path)) == -9:
        assert time.monotonic() < deadline
    assert code == done.exit_code
    counts = finished(tmp_path / "runs" / "small")
    assert max(counts.values()) == 1
    own, other = (read_report(at / "runs" / "small" / "report.json") for at in (tmp_path, home))
    assert [row["quality"] for row in own["rows"]] == [row["quality"] for row in other["rows"]]
