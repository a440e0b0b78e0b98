"""Folders as people publish and keep them: read as they are meant, or refused with what to do; nothing in silence.

`docs/evidence/data_cases.md` shows what was said of each before.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.masks import read_mask
from beltline.inspection.data.settings import DataSettings
from published_layouts import CASES, Case

_TABLE = Path(__file__).parents[3] / "docs" / "evidence" / "data_cases.md"


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.kind}: {case.name}") for case in CASES])
def test_the_folder_is_read_as_it_is_meant_or_refused(case: Case, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    case.build(root)
    settings = DataSettings.model_validate({"root": root, **case.settings})
    if case.refused is not None:
        with pytest.raises(DataError, match=re.compile(case.refused, re.DOTALL)):
            load_dataset(settings)
        return
    dataset = load_dataset(settings)
    for note in case.notes:
        assert any(re.search(note, each) for each in dataset.notes), dataset.notes
    assert case.silent is None or not any(case.silent in each for each in dataset.notes), dataset.notes
    _check_counts(case, dataset)


def _check_counts(case: Case, dataset: Dataset) -> None:
    masks = [sample.mask for sample in dataset.samples if sample.mask is not None]
    found = {
        "images": len(dataset.samples),
        "defective": sum(sample.defective for sample in dataset.samples),
        "masked": len(masks),
        "groups": len({sample.group for sample in dataset.samples}),
    }
    for name, value in found.items():
        assert getattr(case, name) in (None, value), (name, value, dataset.notes)
    if case.marked is not None:
        assert masks
        assert {int(read_mask(dataset.root / mask, dataset.masks).sum()) for mask in masks} == {case.marked}


def test_every_case_stands_in_the_table_with_what_was_said_before() -> None:
    table = _TABLE.read_text("utf-8").split("| kind | folder | before | now |\n| --- | --- | --- | --- |\n")[1]
    rows = [line.split(" | ") for line in table.split("\n\n")[0].splitlines()]
    named = {(kind.removeprefix("| "), name): now for kind, name, _, now in rows}
    for case in CASES:
        assert named[case.kind, case.name.strip()].startswith("read: " if case.refused is None else "refused: ")
