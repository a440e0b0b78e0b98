from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from beltline.benchmarks.timing.measurement import Measurement, write_trace
from beltline.pipeline.cli.app import app
from typer.testing import CliRunner

LINE = (
    "line: {{belt_speed_mm_s: 500, part_pitch_mm: 50, camera_to_ejector_mm: {ejector_mm}}}\n"
    "data: {{root: frames}}\ngates: {{deadline_miss: {{max: 0.01}}}}\n"
)
Belt = Callable[..., Measurement]


@pytest.fixture
def hall(belt: Belt, tmp_path: Path) -> Path:
    """Two lines with a part each 100 ms; the left model takes 30 ms, the right one 40 and is due after 100 or 60."""
    for name, work_ms, ejector_mm in (("left", 30.0, 50), ("right", 40.0, 50), ("tight", 40.0, 30)):
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\n{LINE.format(ejector_mm=ejector_mm)}")
        write_trace(tmp_path / f"{name}.npz", belt([work_ms] * 5000, period_ms=100.0))
    return tmp_path


def plan(hall: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["plan", str(hall / "left.yaml"), "--trace", str(hall / "left.npz"), *arguments])


def beside(hall: Path, name: str) -> tuple[str, str]:
    return "--beside", f"{hall / name}.yaml={hall / name}.npz"


def test_two_lines_that_fit_on_one_device(hall: Path) -> None:
    found = json.loads(plan(hall, *beside(hall, "right"), "--json").stdout)
    assert (found["predicted"], found["fit"], found["keeps_up"]) == (True, "proven", True)
    assert {belt["name"]: round(belt["slowest_ms"]) for belt in found["belts"]} == {"left": 70, "right": 70}
    text = plan(hall, *beside(hall, "right")).stdout
    assert "left and right fit on one device (busy 70% of the time)" in text
    assert all(sentence in text for sentence in found["assumed"])


def test_a_line_that_would_be_late_beside_the_other_is_named(hall: Path) -> None:
    answer = plan(hall, *beside(hall, "tight"))
    assert answer.exit_code == 0
    assert "too many frames of tight would be late" in answer.stdout


def test_three_lines_are_more_than_the_device_can_do(hall: Path) -> None:
    answer = plan(hall, *beside(hall, "right"), *beside(hall, "right"))
    assert "left, right and right-3 do not fit on one device: it would be busy 110% of the time" in answer.stdout


@pytest.mark.parametrize(
    "arguments", [["--beside", "right.yaml"], ["--beside", "=a.npz"], ["--beside", "a=b", "--cameras", "2"]]
)
def test_what_cannot_be_meant_exits_with_2(hall: Path, arguments: list[str]) -> None:
    assert plan(hall, *arguments).exit_code == 2
    assert CliRunner().invoke(app, ["plan", str(hall / "left.yaml"), "--beside", "a=b"]).exit_code == 2
