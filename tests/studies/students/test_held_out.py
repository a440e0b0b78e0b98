"""Groups held out: they leave train and stand in for test, which is never read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.loading import load_dataset
from beltline.pipeline.line.line_file import LineFile
from beltline.studies.students.held_out import held_out, main


@pytest.fixture(scope="module")
def dataset(line_file: LineFile) -> Dataset:
    return load_dataset(line_file.data)


@pytest.fixture(scope="module")
def pattern(dataset: Dataset) -> str:
    """Matches some of the training groups, good and defective ones."""
    for digit in "0123456789":
        some = [sample.defective for sample in dataset.of("train") if sample.group.endswith(digit)]
        if len(set(some)) == 2:
            return f"*{digit}"
    raise AssertionError


def test_what_matches_leaves_train_and_takes_the_place_of_test(dataset: Dataset, pattern: str) -> None:
    found = held_out(dataset, [pattern])
    train, test = ({sample.path for sample in found.of(split)} for split in ("train", "test"))
    assert train | test == {sample.path for sample in dataset.of("train")}
    assert {sample.path for sample in dataset.of("train") if sample.group.endswith(pattern[1:])} == test
    assert found.of("val") == dataset.of("val")
    assert found.digest != dataset.digest, "its stages are its own"


def test_several_patterns_hold_out_what_any_of_them_matches(dataset: Dataset) -> None:
    one, other = sorted({sample.group for sample in dataset.of("train") if sample.defective})[:2]
    good = next(sample.group for sample in dataset.of("train") if not sample.defective)
    found = held_out(dataset, [one, other, good])
    assert {sample.group for sample in found.of("test")} == {one, other, good}


@pytest.mark.parametrize(("wrong", "place"), [("nothing*", "in what matches, got 0 images"), ("*", "in what is left")])
def test_a_pattern_that_leaves_nothing_to_learn_or_to_judge_is_refused(
    dataset: Dataset, wrong: str, place: str
) -> None:
    with pytest.raises(DataError, match=place) as refused:
        held_out(dataset, [wrong])
    assert dataset.of("train")[0].group[:3] in str(refused.value)


def test_the_command_judges_each_recipes_student_on_what_was_held_out(
    studied: Path, tmp_path: Path, dataset: Dataset, pattern: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main([pattern], studied, runs=tmp_path, seeds=1, epochs=1, samples=8)
    folder = tmp_path / "small-held-out"
    table = (folder / "table.md").read_text()
    assert capsys.readouterr().out == table
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == ["teacher", "tiny", "wider"]
    tested = {sample.path for sample in dataset.of("test")}
    assert not tested & {row["path"] for row in json.loads((folder / "splits.json").read_text())["splits"]["test"]}


def test_the_command_answers_a_wrong_pattern(studied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        main(["nothing*"], studied, runs=tmp_path)
    assert ended.value.exit_code == 2
    assert "--groups 'nothing*'" in capsys.readouterr().err
