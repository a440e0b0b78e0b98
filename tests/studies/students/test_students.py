"""What studies of students share, with real trainings: which students, that a study goes on, what its table says."""

from __future__ import annotations

from pathlib import Path

import pytest
from beltline.inspection.base.errors import LineFileError
from beltline.pipeline.console import Console
from beltline.pipeline.line.line_file import LineFile
from beltline.pipeline.run import open_job
from beltline.pipeline.stages.stages import journal
from beltline.studies.students.students import Cell, distill_steps, trained_students
from beltline.studies.students.students_table import over_seeds, students_table


def test_each_student_of_the_recipes_is_found_once_and_shortened_where_asked(line_file: LineFile) -> None:
    assert list(distill_steps(line_file)) == ["tiny", "wider"]
    step = distill_steps(line_file, epochs=2)["tiny"]
    assert (step.fit.epochs, step.fit.samples_per_epoch, step.fit.batch) == (2, None, 8)
    assert distill_steps(line_file, samples=16)["wider"].fit.samples_per_epoch == 16


def test_a_line_without_a_student_is_refused(line_file: LineFile) -> None:
    with pytest.raises(LineFileError, match="wanted a recipe with a distill step, got none"):
        distill_steps(line_file.model_copy(update={"recipes": ()}))


def test_a_study_goes_on_where_it_was_stopped(line_file: LineFile, tmp_path: Path) -> None:
    steps = distill_steps(line_file, epochs=1, samples=8)

    def trained() -> int:
        done = journal(tmp_path / "small")
        return sum(entry["stage"] == "distill" for entry in done if entry["event"] == "finished")

    with open_job(line_file, runs=tmp_path, console=Console(), measures=False) as job:
        going = trained_students(job, steps, seeds=2)
        for _ in range(4):
            next(going)
        going.close()
        assert trained() == 3
        cells = list(trained_students(job, steps, seeds=2))
        assert [(cell.variant, cell.seed) for cell in cells] == [
            ("teacher", 0),
            *((name, seed) for seed in (0, 1) for name in steps),
        ]
        assert trained() == 4
        assert cells == list(trained_students(job, steps, seeds=2))
    assert trained() == 4, "nothing is done twice"
    made = (tmp_path / "small" / "stages").glob("*/model.safetensors")
    assert len({path.read_bytes() for path in made}) == 4, "the networks differ"


def _cell(variant: str, seed: int, escape: float) -> Cell:
    return Cell(
        variant=variant, seed=seed, val_auroc=0.9, test_auroc=0.8, escape=0.5, overkill=0.1, level_escape=escape
    )


def test_the_table_compares_seed_by_seed() -> None:
    cells = [_cell("teacher", 0, 0.1)]
    cells += [_cell("student alone", seed, 0.3 + 0.1 * seed) for seed in range(3)]
    cells += [_cell("+ logits", seed, 0.2 + 0.1 * seed) for seed in range(3)]
    head, _, teacher, alone, logits = students_table(cells, max_overkill=0.05).splitlines()
    assert "test escapes at 5% overkill" in head
    assert teacher.split("|")[2].strip() == "-"
    assert alone.split("|")[7].strip() == "40.0% (15.2% to 64.8%)"
    assert [part.strip() for part in alone.split("|")[8:10]] == ["-", "-"]
    assert [part.strip() for part in logits.split("|")[8:10]] == ["-10.0 (-10.0 to -10.0)"] * 2


def test_one_seed_has_no_interval() -> None:
    assert (over_seeds([0.5]).lower, over_seeds([0.5]).text(".1f")) == (None, "0.5")
