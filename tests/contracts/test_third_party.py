"""A package of somebody else's brings plug-ins, is installed, and works, with no edit here.

The package lies in `tests/fixtures/acme`; it is built into a wheel and installed as a user would. Two of its models are
called `Settings`, as many a package's will be.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from beltline.inspection.synthetic.dataset import write_synthetic_line

SOURCE = Path(__file__).parents[2]
LINE = """
name: acme
line: {belt_speed_mm_s: 1500, part_pitch_mm: 150, camera_to_ejector_mm: 4500, fixed_ms: {plc: 5}}
data: {root: data}
teacher: {weights: tiny.safetensors}
recipes:
  - name: shrunk
    backend: acme_runtime
    steps:
      - shrink: {strength: 0.05}
      - quantize: {frames: 8}
measure: {minutes: 0.05}
threads: 1
gates: {acme_flash: {max_kb: 1}}
"""
STUDENT = """
      - distill:
          network: {family: acme, channels: WIDE}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package and install it into a folder."""
    folder = tmp_path_factory.mktemp("acme")
    shutil.copytree(SOURCE / "tests" / "fixtures" / "acme", folder / "source")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    wheel = [
        *pip,
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        str(folder),
        str(folder / "source"),
    ]
    subprocess.run(wheel, check=True, timeout=300)
    (built,) = folder.glob("acme_inspection-2.5-*.whl")
    target = [*pip, "install", "--no-deps", "--no-index", "--target", str(folder / "site"), str(built)]
    subprocess.run(target, check=True, timeout=300)
    return folder / "site"


@pytest.fixture(scope="module")
def line(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A line whose photographs only the package's reader knows."""
    folder = tmp_path_factory.mktemp("line")
    write_synthetic_line(folder / "data", seed=4, parts=30, exposures=1)
    table = folder / "data" / "labels.csv"
    with table.open(encoding="utf-8") as stream:
        rows = [f"{row['split']} {row['label']} {row['group']} {row['path']}\n" for row in csv.DictReader(stream)]
    table.unlink()
    shutil.rmtree(folder / "data" / "masks")
    (folder / "data" / "acme.txt").write_text("".join(rows))
    shutil.copyfile(tiny_checkpoint, folder / "tiny.safetensors")
    (folder / "line.yaml").write_text(LINE)
    return folder / "line.yaml"


def beltline(site: Path, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE / ".dev"), str(site)])}
    argv = [sys.executable, "-m", "beltline.pipeline", *map(str, arguments)]
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
        check=False,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )


def test_doctor_and_help_list_all_that_it_brings(site: Path, tmp_path: Path) -> None:
    answer = beltline(site, "doctor", "--json", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    parts = [part for part in json.loads(answer.stdout)["parts"] if part.get("package") == "acme-inspection"]
    assert {(part["kind"], part["name"], part["missing"]) for part in parts} == {
        ("method", "shrink", None),
        ("network", "acme", None),
        ("backend", "acme_runtime", None),
        ("reader", "acme_list", None),
        ("format", "acme_line", None),
        ("gate", "acme_flash", None),
        ("section", "acme_about", None),
    }
    assert "acme_line" in beltline(site, "report", "--help", cwd=tmp_path).stdout
    schema = json.loads(beltline(site, "plan", "--schema", cwd=tmp_path).stdout)
    step = schema["$defs"]["step_shrink"]["properties"]
    assert step["strength"]["description"] == "Share of each weight that goes."
    assert step["line"]["$ref"] == "#/$defs/step_shrink_Line"
    assert "from_layer" in schema["$defs"]["step_shrink_Line"]["properties"]
    assert "belt_speed_mm_s" in schema["$defs"]["Line"]["properties"]


def test_a_line_runs_on_it_and_its_backend_is_measured_and_judged(site: Path, line: Path) -> None:
    answer = beltline(site, "run", line, "--runs", line.parent / "runs", "--json", cwd=line.parent)
    assert answer.returncode == 3, answer.stderr
    report = json.loads((line.parent / "runs" / "acme" / "report.json").read_text("utf-8"))
    (row,) = [row for row in report["rows"] if row["name"] == "shrunk"]
    assert (row["backend"], row["precision"]) == ("acme_runtime", "int8")
    assert row["recipe"][0] == "shrink strength=0.05"
    assert row["quality"]["escape"]["of"] > 0
    assert row["latency_ms"]["frames"] >= 20
    assert row["parity"]["frames"] > 0
    assert row["verdict"] == "misses", "the package's own gate is certainly missed"
    assert any("It is too large for the flash" in reason for reason in row["reasons"]), row["reasons"]
    page = (line.parent / "runs" / "acme" / "report.html").read_text("utf-8")
    assert "is served for ten years" in page
    assert "Fits the flash" in page
    assert sum(report["data"]["images"].values()) == 30
    shown = beltline(
        site,
        "report",
        "--from",
        line.parent / "runs" / "acme" / "report.json",
        "--format",
        "acme_line",
        cwd=line.parent,
    )
    assert f"shrunk acme_runtime {row['verdict']}\n" in shown.stdout


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            LINE.replace("0.05}\n      - q", "1.5}\n      - q"),
            ":10: recipes[0].steps[0].shrink.strength: wanted a number < 1",
        ),
        (
            LINE.replace("strength:", "strenght:"),
            ":10: recipes[0].steps[0].shrink.strenght: unknown key; did you mean 'strength'? known here: line, s",
        ),
        (
            LINE.replace("\n      - shrink: {strength: 0.05}\n", STUDENT.replace("WIDE", "99").rstrip(" ")),
            ":11: recipes[0].steps[0].distill.network.channels: wanted a number <= 64, got 99",
        ),
        (LINE.replace("max_kb: 1", "max_kb: -1"), ":14: gates.acme_flash.max_kb: wanted a number > 0, got -1"),
        (LINE.replace("acme_runtime", "acme_runtim"), ":8: recipes[0].backend: wanted one of acme_runtime, "),
    ],
    ids=["method", "key", "network", "gate", "backend"],
)
def test_mistakes_in_its_settings_are_answered_with_their_place(site: Path, line: Path, wrong: str, text: str) -> None:
    path = line.with_name("wrong.yaml")
    path.write_text(wrong)
    answer = beltline(site, "plan", path, cwd=line.parent)
    assert answer.returncode == 2, answer.stderr
    assert text in answer.stderr
    assert "Traceback" not in answer.stderr


def test_without_the_package_the_names_are_unknown(line: Path, tmp_path: Path) -> None:
    answer = beltline(tmp_path, "plan", line, cwd=tmp_path)
    assert answer.returncode == 2
    assert 'got "shrink"' in answer.stderr
