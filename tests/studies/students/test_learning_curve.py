"""Ever more designs in train: nested, judged on the same val and test."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.loading import load_dataset
from beltline.pipeline.line.line_file import LineFile
from beltline.studies.students.learning_curve import designs_of, main, trained_on

_DIGIT = r".*(\d)$"
"""The drawn line has no designs: parts are taken by the last digit of their number."""


@pytest.fixture(scope="module")
def dataset(line_file: LineFile) -> Dataset:
    return load_dataset(line_file.data)


def test_designs_are_what_the_bracket_finds(dataset: Dataset) -> None:
    found = designs_of(dataset, _DIGIT)
    assert found == tuple(sorted({sample.group[-1] for sample in dataset.of("train")}))
    assert len(found) > 1


def test_other_designs_leave_train_and_nothing_else_changes(dataset: Dataset) -> None:
    some = designs_of(dataset, _DIGIT)[:5]
    found = trained_on(dataset, _DIGIT, some)
    assert {sample.group[-1] for sample in found.of("train")} == set(some)
    assert (found.of("val"), found.of("test")) == (dataset.of("val"), dataset.of("test"))
    assert found.digest != dataset.digest, "its stages are its own"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("(", "regular expression"), (r"never", "every group to begin like this"), (r"", "at least two designs")],
)
def test_a_pattern_that_finds_no_designs_is_refused(dataset: Dataset, pattern: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        designs_of(dataset, pattern)


def test_the_command_trains_on_ever_more_designs(
    studied: Path, tmp_path: Path, dataset: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    trains = (
        "{network: {family: plain, width: 4, depth: 1}, device: cpu, "
        "fit: {epochs: 1, batch: 8, samples_per_epoch: 8, augmentation: {crop: 32}}}"
    )
    text = studied.read_text().replace("{weights: teacher.safetensors, device: cpu}", trains)
    line = tmp_path / "line.yaml"
    line.write_text(text.replace("{root: data}", f"{{root: {studied.parent / 'data'}}}"))
    every = len(designs_of(dataset, _DIGIT))
    main(_DIGIT, [5, every], line, runs=tmp_path, seeds=1)
    table = (tmp_path / "small-learning-curve" / "table.md").read_text()
    assert capsys.readouterr().out == table
    rows = [row.split("|")[1].strip() for row in table.splitlines()[2:]]
    assert rows == [f"5 of {every} designs", f"{every} of {every} designs"]
    with pytest.raises(typer.Exit) as ended:
        main(_DIGIT, [every + 1], line, runs=tmp_path, seeds=1)
    assert ended.value.exit_code == 2
    assert f"wanted 1 to {every}" in capsys.readouterr().err


def test_a_teacher_that_is_brought_along_is_refused(
    studied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        main(_DIGIT, [1], studied, runs=tmp_path)
    assert ended.value.exit_code == 2
    assert "trained here" in capsys.readouterr().err
