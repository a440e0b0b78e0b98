"""From a real run on a small drawn line to its bundle, and what the verbs about bundles answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from beltline.export.bundles.reading import open_bundle
from beltline.export.contracts import Graph
from beltline.export.tensor_rt.presence import missing_parts
from beltline.inspection.base.errors import BundleError
from beltline.pipeline.console import Console
from beltline.pipeline.deploy.bundle_run import Bundled, bundle_job
from beltline.pipeline.deploy.bundling import BundleOptions, _caution_of_run
from beltline.pipeline.deploy.device_bundle import MARGIN, DeviceOptions
from beltline.pipeline.line.line_file import load_line_file
from beltline.pipeline.run import Outcome, run_job
from sorted_line import write_sorted_line

SOURCE = Path(__file__).parents[3]
LINE = """
name: small
line: {belt_speed_mm_s: 1500, part_pitch_mm: 15, camera_to_ejector_mm: 4500, fixed_ms: {plc: 5}}
data: {root: data}
teacher: {onnx: tiny.onnx}
recipes:
  - {name: small, backend: open_vino}
gates: {deadline_miss: {max: 0.4, confidence: 0.6}, escape: {max: 0.999, max_increase: 0.9}, overkill: {max: 0.9}}
threshold: {max_overkill: 0.4}
threads: 1
measure: {minutes: 0.02}
"""


def bundled(home: Path, text: str = LINE, **wish: Any) -> Bundled:
    (home / "line.yaml").write_text(text)
    line_file = load_line_file(home / "line.yaml")
    return bundle_job(line_file, runs=home / "runs", quick=False, options=BundleOptions(**wish), console=Console())


@pytest.fixture(scope="module")
def home(tiny_graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A line whose teacher is a finished graph: nothing is trained, everything else is what a run does."""
    folder = tmp_path_factory.mktemp("home")
    write_sorted_line(folder / "data", tiny_graph, seed=4, parts=60)
    shutil.copyfile(tiny_graph.path, folder / "tiny.onnx")
    (folder / "line.yaml").write_text(LINE)
    return folder


@pytest.fixture(scope="module")
def done(home: Path) -> Outcome:
    return run_job(load_line_file(home / "line.yaml"), runs=home / "runs", console=Console())


@pytest.fixture(scope="module")
def first(home: Path, done: Outcome) -> Bundled:
    assert done.verdict == "fits"
    return bundled(home, rows=("small", "teacher"), output=home / "both.beltline")


def test_a_run_leaves_its_selected_row_as_a_bundle(home: Path, done: Outcome) -> None:
    path = Path(done.summary["bundle"])
    assert path == home / "runs" / "small" / "bundle" / f"small-{done.summary['selected']}.beltline"
    assert f"bundle: {path}" in done.message
    with open_bundle(path) as bundle:
        assert bundle.manifest.models[0].row == done.summary["selected"]
        rows = json.loads((home / "runs" / "small" / "report.json").read_text())["rows"]
        row = next(row for row in rows if row["name"] == done.summary["selected"])
        assert list(bundle.manifest.cautions) == row["cautions"]
    assert all(f"mind: {caution}" in done.message for caution in done.summary["cautions"])


def test_a_bundle_holds_what_was_measured_and_proves_itself(home: Path, first: Bundled, tmp_path: Path) -> None:
    report = json.loads((home / "runs" / "small" / "report.json").read_text())
    with open_bundle(first.path) as bundle:
        unpacked = bundle.unpack(tmp_path)
    assert (tmp_path / "report.json").read_bytes() == (home / "runs" / "small" / "report.json").read_bytes()
    assert (tmp_path / "LICENSE").read_bytes() == (SOURCE / "LICENSE").read_bytes()
    rows = {row["name"]: row for row in report["rows"]}
    for model in unpacked.manifest.models:
        assert model.threshold == rows[model.row]["quality"]["threshold"]
        assert (model.backend, model.precision) == (rows[model.row]["backend"], rows[model.row]["precision"])
    golden = unpacked.golden()
    assert {frame.label == "good" for frame in golden.frames} == {True, False}
    assert all((home / "data" / frame.source).is_file() for frame in golden.frames)
    assert {decision for decisions in golden.rejects.values() for decision in decisions} == {True, False}
    reference = unpacked.reference()
    assert reference is not None
    assert reference.drawn_from.endswith(" good frames of val")
    assert set(reference.scores) == set(golden.scores)
    assert [(each.row, each.max_abs) for each in first.verified.proven] == [("small", 0.0), ("teacher", 0.0)]


def test_a_row_for_a_jetson_is_built_there_and_expected_to_decide_as_here(
    home: Path, done: Outcome, tmp_path: Path
) -> None:
    assert done.verdict == "fits"
    there = DeviceOptions(profile="jetson-orin-nano")
    made = bundled(home, rows=("teacher",), device=there, output=home / "jetson.beltline")
    manifest = made.verified.manifest
    assert [(model.backend, model.built_for, model.verdict) for model in manifest.models] == [
        ("tensor_rt", "jetson-orin-nano", "inconclusive"),
        ("onnx_runtime", "local", "fits"),
    ]
    with open_bundle(made.path) as bundle:
        unpacked = bundle.unpack(tmp_path)
    golden, reference = unpacked.golden(), unpacked.reference()
    assert golden.scores["tensor_rt"] == golden.scores["onnx_runtime"]
    assert reference is not None
    assert reference.scores["tensor_rt"] == reference.scores["onnx_runtime"]
    threshold = manifest.models[0].threshold
    assert min(abs(score - threshold) for score in golden.scores["tensor_rt"]) >= MARGIN["fp32"]
    assert [each.backend for each in made.verified.proven] == ["onnx_runtime"]
    notified = " ".join(made.verified.cautions)
    assert "neither run nor measured before this bundle was made" in notified
    assert (missing_parts() or "") in notified
    assert (made.trtexec or "").startswith("trtexec --onnx=model.onnx")


def test_the_same_run_gives_the_same_bytes(home: Path, first: Bundled) -> None:
    again = bundled(home, rows=("small", "teacher"), output=home / "again.beltline")
    assert again.path.read_bytes() == first.path.read_bytes()


def test_a_row_that_does_not_fit_must_be_wished_for_and_says_so(home: Path, done: Outcome) -> None:
    strict = LINE.replace("overkill: {max: 0.9}", "overkill: {max: 0.01}")
    for wish in ({}, {"rows": ("small",)}):
        with pytest.raises(BundleError, match="--anyway"):
            bundled(home, strict, output=home / "strict.beltline", **wish)
    assert not (home / "strict.beltline").exists()
    made = bundled(home, strict, output=home / "strict.beltline", rows=("small",), anyway=True)
    assert made.verified.manifest.models[0].verdict != "fits"
    assert "was bundled although its verdict is" in made.verified.cautions[0]
    outcome = run_job(load_line_file(home / "line.yaml"), runs=home / "runs", console=Console())
    assert outcome.summary["bundle"] is None
    assert not (home / "runs" / "small" / "bundle").exists()
    assert done.verdict == "fits"


def test_a_bundle_of_a_quick_run_says_so() -> None:
    assert "not to rely on" in _caution_of_run("pcb-quick")[0]
    assert _caution_of_run("pcb") == []


@pytest.mark.parametrize(
    ("rows", "expected"), [(("tiny",), "wanted one of small, teacher.*, got tiny"), (("small", "small"), "runtimes")]
)
def test_rows_that_cannot_be_bundled_are_named(home: Path, done: Outcome, rows: tuple[str, ...], expected: str) -> None:
    assert done.verdict == "fits"
    with pytest.raises(BundleError, match=expected):
        bundled(home, rows=rows, anyway=True)


def beltline(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev"), "COLUMNS": "100"}
    argv = [sys.executable, "-m", "beltline.pipeline", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=folder, check=False, timeout=120)


def test_the_verbs_answer_from_the_key_to_the_rollback(bundle: Any, tmp_path: Path) -> None:
    answer = beltline("bundle", "--new-key", "key.pem", folder=tmp_path)
    assert (answer.returncode, (tmp_path / "key.pub.pem").is_file()) == (0, True)
    verified = beltline("verify", bundle.path, "--key", bundle.public, "--json", folder=tmp_path)
    assert verified.returncode == 0
    assert json.loads(verified.stdout)["trusted"] is True
    refused = beltline("verify", bundle.path, "--key", "key.pub.pem", folder=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Traceback" not in refused.stderr
    installed = beltline("install", bundle.path, "--root", "root", "--key", bundle.public, "--keep", 1, folder=tmp_path)
    assert "decided all 12 golden frames as when it was measured" in installed.stdout
    status = json.loads(beltline("status", "--root", "root", "--json", folder=tmp_path).stdout)
    assert status["models"][0]["row"] == "tiny"
    rollback = beltline("rollback", "--root", "root", folder=tmp_path)
    assert (rollback.returncode, "it was the first" in rollback.stderr) == (2, True)
