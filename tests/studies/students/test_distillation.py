"""The ablation of the teacher's terms: what it trains, and the command on a small drawn line."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from beltline.pipeline.line.line_file import LineFile
from beltline.studies.students.distillation import main, variants
from beltline.studies.students.students import distill_steps


def test_terms_are_added_one_after_the_other(line_file: LineFile) -> None:
    found = {name: step.teacher for name, step in variants(distill_steps(line_file)["tiny"]).items()}
    terms = {name: (each.score, each.heatmap, each.features is not None) for name, each in found.items()}
    assert terms == {
        "student alone": (0, 0, False),
        "+ logits": (2, 0, False),
        "+ heatmap": (2, 1, False),
        "+ features": (2, 1, True),
    }
    assert found["student alone"].silent
    assert all(each.ramps.score is not None for each in found.values())


def test_the_command_prints_its_table_and_keeps_it(
    studied: Path, line_file: LineFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(studied, runs=tmp_path, seeds=1, epochs=1, samples=8)
    table = (tmp_path / "small-distillation" / "table.md").read_text()
    assert capsys.readouterr().out == table
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == [
        "teacher",
        *variants(distill_steps(line_file)["tiny"]),
    ]


def test_the_command_answers_a_line_without_a_student(
    studied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = studied.with_name("bare.yaml")
    text = studied.read_text()
    path.write_text(text[: text.index("recipes:")])
    with pytest.raises(typer.Exit) as ended:
        main(path, runs=tmp_path)
    assert ended.value.exit_code == 2
    assert "wanted a recipe with a distill step, got none; add one" in capsys.readouterr().err
