"""`beltline learn`: start on good parts, then add what people found; with a backbone that has learned nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from beltline.export.bundles.reading import open_bundle
from beltline.pipeline.cli.app import app
from beltline.pipeline.console import Console
from beltline.pipeline.learning.learning import CURRENT
from beltline.pipeline.starting import start_line
from good_parts_line import good_parts, photograph, small_line_file
from typer.testing import CliRunner


def _learn(line: Path, runs: Path, *options: str) -> tuple[int, dict[str, object]]:
    result = CliRunner().invoke(app, ["learn", str(line), "--runs", str(runs), "--json", *options])
    assert result.exit_code in (0, 2, 3), result.output
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def line(tmp_path: Path) -> Path:
    return small_line_file(good_parts(tmp_path / "good"), tmp_path / "line.yaml")


def test_without_a_version_at_work_it_says_which_verb_makes_one(tmp_path: Path, line: Path) -> None:
    code, facts = _learn(line, tmp_path / "runs")
    assert code == 2
    assert "run `beltline start` or `beltline run` first" in str(facts["error"])
    assert not (tmp_path / "parts-kept").exists()


@pytest.mark.slow
def test_what_people_found_goes_into_the_next_version_and_it_takes_the_old_ones_place(
    tmp_path: Path, line: Path
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    runs = tmp_path / "runs"
    start_line(tmp_path / "good", line, runs=runs, without_outliers=False, console=Console())
    before = line.read_bytes()
    for seed in range(4):
        photograph(tmp_path / "missed" / "hole" / f"{seed}.png", 100 + seed, defect=True)
        photograph(tmp_path / "rejected" / f"{seed}.png", 200 + seed)
    found = ["--good", str(tmp_path / "rejected"), "--defect", str(tmp_path / "missed")]
    code, facts = _learn(line, runs, *found)
    assert line.read_bytes() == before
    assert facts["added"] == {"good": 4, "defective": 4, "relabelled": [], "there": 0}
    assert "missing:" in str(facts["learning_from_defects"])
    assert "of 4 defective parts that people found it rejects" in str(facts["message"])
    candidate = facts["candidates"][0]  # type: ignore[index]
    assert (code == 0) == (not candidate["compared"]["reasons"])
    current = tmp_path / "parts-kept" / CURRENT
    assert current.is_file() == (code == 0)
    if current.is_file():
        with open_bundle(current) as bundle:
            assert bundle.manifest.line == "parts-next"
