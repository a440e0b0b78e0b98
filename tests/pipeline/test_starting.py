"""`beltline start`: photographs of good parts in, a first inspector out; with a backbone that has learned nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from beltline.export.bundles.reading import open_bundle
from beltline.inspection.base.errors import DataError, LineFileError
from beltline.pipeline.cli.app import app
from beltline.pipeline.console import Console
from beltline.pipeline.line.line_file import load_line_file
from beltline.pipeline.starting import FIRST, line_text, start_line
from good_parts_line import good_parts, photograph, small_line_file
from typer.testing import CliRunner


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return good_parts(tmp_path / "good")


def test_the_line_file_that_it_writes_is_one(tmp_path: Path, good: Path) -> None:
    path = tmp_path / "line.yaml"
    path.write_text(line_text(good.resolve(), "parts"), encoding="utf-8")
    line_file = load_line_file(path)
    assert line_file.teacher.good_only
    assert [recipe.name for recipe in line_file.recipes] == [FIRST, "student-int8"]
    assert "assumed" in path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_good_photographs_become_a_bundle_and_a_defect_among_them_is_left_out(tmp_path: Path, good: Path) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    photograph(good / "99.png", 99, defect=True)
    path = small_line_file(good, tmp_path / "line.yaml")
    started = start_line(good, path, runs=tmp_path / "runs", without_outliers=True, console=Console())
    assert [each.path for each in started.left_out] == ["99.png"]
    assert load_line_file(path).data.leave_out == ("99.png",)
    assert started.outcome.verdict == "inconclusive"
    assert "Without a defect nothing proves that defects are caught" in started.outcome.message
    assert "59 different ones" in started.outcome.message
    report = json.loads((tmp_path / "runs" / "parts" / "report.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in report["rows"]] == ["teacher", FIRST]
    assert report["rows"][1]["quality"]["auroc"] is None
    assert report["rows"][1]["parity"]["flips"] == 0
    with open_bundle(started.bundle) as bundle:
        assert [model.row for model in bundle.manifest.models] == [FIRST]


def test_a_folder_that_is_none_and_a_line_file_of_others_are_refused(tmp_path: Path, good: Path) -> None:
    given = {"runs": tmp_path / "runs", "without_outliers": False, "console": Console()}
    with pytest.raises(LineFileError, match="wanted a folder with photographs"):
        start_line(tmp_path / "none", tmp_path / "line.yaml", **given)
    small_line_file(good, tmp_path / "line.yaml")
    (tmp_path / "others").mkdir()
    with pytest.raises(LineFileError, match="is for other photographs"):
        start_line(tmp_path / "others", tmp_path / "line.yaml", **given)


def test_two_photographs_are_too_few_and_it_says_what_for(tmp_path: Path) -> None:
    for seed in range(2):
        photograph(tmp_path / "good" / f"{seed}.png", seed)
    small_line_file(tmp_path / "good", tmp_path / "line.yaml")
    with pytest.raises(DataError, match="at least 3 different parts"):
        start_line(
            tmp_path / "good",
            tmp_path / "line.yaml",
            runs=tmp_path / "runs",
            without_outliers=False,
            console=Console(),
        )


def test_the_verb_answers_bad_input_with_exit_code_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["start", str(tmp_path / "none"), "-o", str(tmp_path / "line.yaml")])
    assert result.exit_code == 2
