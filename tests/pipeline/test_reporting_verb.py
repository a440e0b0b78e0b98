"""The verb `report` on finished reports; what it does first on a line file is tested with the verb `run`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from beltline.pipeline.cli.app import app
from typer.testing import CliRunner


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """The least of a report that says something."""
    path = tmp_path / "report.json"
    latency = {"frames": 4700, "p50": 2.0, "p99": 3.0, "misses": 0, "miss_upper": 0.00098}
    row = {"name": "small", "role": "candidate", "backend": "open_vino", "precision": "int8", "verdict": "fits"}
    report = {
        "schema": 1,
        "budget": {"period_ms": 15.0, "deadline_ms": 86.0, "miss_max": 0.001, "confidence": 0.99},
        "data": {"name": "parts", "digest": "sha256:0", "images": {"test": 100}},
        "device": {"name": "local"},
        "rows": [{**row, "latency_ms": latency, "reasons": ["In time."]}],
        "selected": "small",
    }
    path.write_text(json.dumps(report))
    return path


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


@pytest.mark.parametrize(("verdict", "code"), [("fits", 0), ("misses", 3), ("inconclusive", 4)])
def test_a_finished_report_answers_with_its_verdict(finished: Path, verdict: str, code: int) -> None:
    report = json.loads(finished.read_text())
    report["rows"][0]["verdict"], report["selected"] = verdict, "small" if verdict == "fits" else None
    finished.write_text(json.dumps(report))
    message, machine = run("--from", finished), run("--from", finished, "--json")
    assert (message.exit_code, machine.exit_code) == (code, code)
    assert message.stdout.startswith(f"{verdict}: small\nIn time.\n")
    assert json.loads(machine.stdout)["verdict"] == verdict
    assert json.loads(machine.stdout)["report"] is None


def test_a_format_goes_to_stdout_and_the_answer_to_stderr(finished: Path) -> None:
    found = run("--from", finished, "--format", "junit")
    assert found.exit_code == 0
    assert ET.fromstring(found.stdout).get("failures") == "0"
    assert found.stderr.startswith("fits: small")


def test_a_file_says_by_its_suffix_what_is_in_it(finished: Path, tmp_path: Path) -> None:
    for name in ("a.csv", "a.md", "a.xml", "a.html", "a.json"):
        assert run("--from", finished, "--output", tmp_path / name, "--json").exit_code == 0
    assert (tmp_path / "a.csv").read_text().startswith("row,role,")
    assert (tmp_path / "a.html").read_text().startswith("<!doctype html>")
    assert json.loads((tmp_path / "a.json").read_text()) == json.loads(finished.read_text())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "pdf"], "--format: wanted one of csv, html, json, junit, md, got"),
        (["--output", "report.pdf"], "no format is known by the suffix '.pdf'"),
        (["--format", "md", "--json"], "both print on stdout"),
        (["line.yaml"], "leave out the line file"),
        (["--quick"], "leave out the line file"),
    ],
)
def test_what_cannot_be_meant_exits_with_2_and_writes_nothing(
    finished: Path, arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = run("--from", finished, *arguments)
    assert found.exit_code == 2
    assert message in found.stderr.replace("\n", " ")
    assert list(tmp_path.iterdir()) == [finished]


def test_a_report_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    found = run("--from", tmp_path / "report.json")
    assert found.exit_code == 2
    assert "schema must be 1" in found.stderr
