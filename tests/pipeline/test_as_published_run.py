"""Data sets as they are published, with the line file of the README: understood, planned, and run to a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from as_published import SETS, Published
from beltline.pipeline.cli.app import app
from quick_runs import newcomer_line
from typer.testing import CliRunner

_RUN = ("NEU-DET",)
"""No good image, and kinds."""

_UNDERSTOOD = ("NEU-DET", "BSData", "KolektorSDD2", "BTAD", "GC10-DET", "Roboflow, YOLO", "DeepPCB", "SDNET2018")
"""The others: with `pytest -m slow`."""


def _given(always: tuple[str, ...]) -> list[Any]:
    return [pytest.param(each, id=each.name, marks=() if each.name in always else pytest.mark.slow) for each in SETS]


def _ask(*words: str) -> tuple[int, str]:
    shown = CliRunner().invoke(app, list(words))
    assert "Traceback" not in shown.output
    return shown.exit_code, " ".join(shown.output.split())


def _line_file(given: Published, tmp_path: Path) -> Path:
    given.build(tmp_path / "data")
    line = newcomer_line(tmp_path / "data" / given.root, given.keys, kinds=len(given.kinds) > 1)
    file = tmp_path / "line.yaml"
    file.write_text(yaml.safe_dump(line))
    return file


@pytest.mark.parametrize("given", _given(_UNDERSTOOD))
def test_data_says_what_was_understood_or_what_to_write_and_plan_takes_it(given: Published, tmp_path: Path) -> None:
    file, root = _line_file(given, tmp_path), str(tmp_path / "data" / given.root)
    if given.refused is not None:
        code, said = _ask("data", root)
        assert code == 2
        assert all(f"{key}:" in said for key in given.keys), said
    code, said = _ask("data", root, "--keys", yaml.safe_dump(given.keys, default_flow_style=True))
    assert code == 0, said
    assert f"read as {given.reader}" in said
    code, said = _ask("plan", str(file))
    assert code == 0, said


@pytest.mark.parametrize("given", _given(_RUN))
def test_a_published_set_goes_from_photographs_to_a_verdict(given: Published, tmp_path: Path) -> None:
    file = _line_file(given, tmp_path)
    code, said = _ask("run", str(file), "--quick", "--runs", str(tmp_path / "runs"))
    assert code in (0, 3, 4), said
    assert [*(tmp_path / "runs").glob("*-quick/report.json")], said
