from __future__ import annotations

from pathlib import Path

import pytest
from beltline.compress.recipe import RecipeSettings
from beltline.inspection.base.errors import LineFileError
from beltline.pipeline.line.builtin import builtin_line_file
from beltline.pipeline.line.line_file import LineFile
from beltline.pipeline.line.quick import quickened
from beltline.pipeline.stages.rows import planned_rows, require_parts, without_missing


@pytest.fixture
def line_file(tmp_path: Path) -> LineFile:
    line_file = builtin_line_file(tmp_path)
    pruned = {"name": "pruned-int8", "steps": ({"prune": {"fit": {"epochs": 3}}}, "quantize")}
    both = (*line_file.recipes, RecipeSettings.model_validate(pruned))
    return line_file.model_copy(update={"recipes": both})


def with_recipe(line_file: LineFile, **recipe: object) -> LineFile:
    changed: LineFile = line_file.model_copy(update={"recipes": (RecipeSettings.model_validate(recipe),)})
    return changed


def test_the_teacher_comes_first_and_baselines_on_demand(line_file: LineFile) -> None:
    plain, more = (planned_rows(line_file, baselines=asked) for asked in (False, True))
    assert [row.role for row in plain] == ["teacher", "candidate", "candidate"]
    assert more[: len(plain)] == plain
    others = {row.name: (row.backend, [step.method for step in row.steps]) for row in more[len(plain) :]}
    assert others == {
        "teacher-torch_compiled": ("torch_compiled", []),
        "teacher-onnx_runtime": ("onnx_runtime", []),
        "teacher-open_vino": ("open_vino", []),
        "teacher-open_vino-int8": ("open_vino", ["quantize"]),
        "teacher-onnx_runtime-int8": ("onnx_runtime", ["quantize"]),
        "teacher-pruned-int8": ("open_vino", ["prune", "quantize"]),
    }


def test_the_pruned_baseline_halves_the_work_and_is_fine_tuned_as_the_teacher_was_trained(line_file: LineFile) -> None:
    for asked in (line_file, quickened(line_file)):
        step = planned_rows(asked, baselines=True)[-1].steps[0].settings
        assert (step.macs, step.fit.augmentation) == (0.5, asked.teacher.fit.augmentation)
        assert step.fit.epochs == max(1, asked.teacher.fit.epochs // 2)


def test_a_baseline_whose_part_is_missing_is_left_out_and_named(
    line_file: LineFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    rows, notified = planned_rows(line_file, baselines=True), list[str]()
    kept = without_missing(rows, notify=notified.append)
    assert {row.name for row in rows} - {row.name for row in kept} == {"teacher-torch_compiled"}
    assert [message for message in notified if "apt-get install g++" in message] == notified != []
    require_parts(kept, runs=True)


def test_a_recipe_cannot_be_called_teacher(line_file: LineFile) -> None:
    with pytest.raises(LineFileError, match="'teacher' is taken"):
        planned_rows(with_recipe(line_file, name="teacher"), baselines=False)


def test_a_finished_graph_takes_graph_steps_only(line_file: LineFile) -> None:
    teacher = line_file.teacher.model_copy(update={"onnx": Path("model.onnx")})
    finished = line_file.model_copy(update={"teacher": teacher})
    with pytest.raises(LineFileError, match="pruned-int8: prune works on a torch network"):
        planned_rows(finished, baselines=False)
    rows = planned_rows(with_recipe(finished, name="own", steps=["quantize"]), baselines=True)
    assert [row.name for row in rows] == [
        "teacher", "own", "teacher-open_vino", "teacher-open_vino-int8", "teacher-onnx_runtime-int8",
    ]  # fmt: skip
    assert rows[0].backend == "onnx_runtime"


def test_quick_shrinks_training_and_measuring_in_a_folder_of_its_own(line_file: LineFile) -> None:
    quick = quickened(line_file)
    assert quick.run_name == "synthetic-quick"
    assert quick.teacher.fit.epochs < line_file.teacher.fit.epochs
    assert quick.measure.minutes < line_file.measure.minutes
    both = zip(
        *([step.settings.training for each in file.recipes for step in each.steps] for file in (quick, line_file)),
        strict=True,
    )
    fits = [(short, long) for short, long in both if long is not None]
    assert fits
    assert all(short.epochs < long.epochs and short.augmentation == long.augmentation for short, long in fits)
    assert quick.gates == line_file.gates


def test_an_engine_time_is_not_asked_of_what_torch_runs(line_file: LineFile) -> None:
    steps = [{"prune": {"engine_ms": 2.0}}]
    with pytest.raises(LineFileError, match=r"recipe own: engine_ms wants a runtime of exported graphs, torch_eager"):
        planned_rows(with_recipe(line_file, name="own", backend="torch_eager", steps=steps), baselines=False)
    rows = planned_rows(with_recipe(line_file, name="own", backend="onnx_runtime", steps=steps), baselines=False)
    assert [step.settings.wanted_ms for step in rows[-1].steps] == [2.0]
