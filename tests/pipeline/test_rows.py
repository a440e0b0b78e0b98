from __future__ import annotations

from pathlib import Path

import pytest
from beltline.compress.recipe import RecipeSettings
from beltline.inspection.errors import LineFileError
from beltline.pipeline.builtin import builtin_line_file
from beltline.pipeline.line_file import LineFile
from beltline.pipeline.quick import quickened
from beltline.pipeline.rows import planned_rows


@pytest.fixture
def line_file(tmp_path: Path) -> LineFile:
    return builtin_line_file(tmp_path)


def with_recipe(line_file: LineFile, **recipe: object) -> LineFile:
    changed: LineFile = line_file.model_copy(update={"recipes": (RecipeSettings.model_validate(recipe),)})
    return changed


def test_the_teacher_comes_first_and_baselines_on_demand(line_file: LineFile) -> None:
    plain, more = (planned_rows(line_file, baselines=asked) for asked in (False, True))
    assert [row.role for row in plain] == ["teacher", "candidate", "candidate"]
    assert more[: len(plain)] == plain
    assert {(row.backend, len(row.steps)) for row in more[len(plain) :]} == {
        ("onnx_runtime", 0), ("open_vino", 0), ("open_vino", 1),
    }  # fmt: skip


def test_a_recipe_cannot_be_called_teacher(line_file: LineFile) -> None:
    with pytest.raises(LineFileError, match="'teacher' is taken"):
        planned_rows(with_recipe(line_file, name="teacher"), baselines=False)


def test_a_finished_graph_takes_graph_steps_only(line_file: LineFile) -> None:
    teacher = line_file.teacher.model_copy(update={"onnx": Path("model.onnx")})
    finished = line_file.model_copy(update={"teacher": teacher})
    with pytest.raises(LineFileError, match="small-fp32: distill works on a torch network"):
        planned_rows(finished, baselines=False)
    rows = planned_rows(with_recipe(finished, name="own", steps=["quantize"]), baselines=True)
    assert [row.name for row in rows] == ["teacher", "own", "teacher-open_vino", "teacher-open_vino-int8"]
    assert rows[0].backend == "onnx_runtime"


def test_quick_shrinks_training_and_measuring_in_a_folder_of_its_own(line_file: LineFile) -> None:
    quick = quickened(line_file)
    assert quick.run_name == "synthetic-quick"
    assert quick.teacher.fit.epochs < line_file.teacher.fit.epochs
    assert quick.measure.minutes < line_file.measure.minutes
    both = zip(quick.recipes, line_file.recipes, strict=True)
    fits = [(short.steps[0].settings.fit, long.steps[0].settings.fit) for short, long in both]
    assert all(short.epochs < long.epochs and short.views == long.views for short, long in fits)
    assert quick.gates == line_file.gates
