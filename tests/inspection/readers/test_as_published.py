"""Data sets as they are published: read at the first try, or refused with what to write, which is then read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from as_published import BOX, REFUSED, SETS, Published
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.kinds import defect_mask
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.readers import reader_for


def _load(root: Path, **keys: Any) -> Dataset:
    return load_dataset(DataSettings.model_validate({"root": root, "near_duplicates": False, **keys}))


@pytest.mark.parametrize("given", [pytest.param(each, id=each.name) for each in SETS])
def test_a_published_set_is_read_or_one_message_says_what_to_write(given: Published, tmp_path: Path) -> None:
    given.build(tmp_path)
    root = tmp_path / given.root
    if given.refused is not None:
        with pytest.raises(DataError, match=given.refused):
            _load(root)
    dataset = _load(root, **given.keys)
    assert reader_for(root, given.keys.get("reader")).name == given.reader
    counts = Counter(sample.defective for sample in dataset.samples)
    assert (counts[False], counts[True]) == (given.good, given.defective)
    assert dataset.kinds == given.kinds
    marked = [sample for sample in dataset.samples if sample.defective and sample.marked]
    assert len(marked) == given.marked
    assert {int(defect_mask(dataset, sample).sum()) for sample in marked} <= {_BOX_PIXELS, _OUTLINED}
    _check_splits(dataset, given)


_BOX_PIXELS = (BOX[2] - BOX[0]) * (BOX[3] - BOX[1])
_OUTLINED = (BOX[2] - BOX[0] + 1) * (BOX[3] - BOX[1] + 1)
"""A polygon's own line is marked too."""


def _check_splits(dataset: Dataset, given: Published) -> None:
    """Every split holds good and defective parts, and those that the tree names are kept."""
    held = {(sample.split, sample.defective) for sample in dataset.samples}
    assert held == {(split, defective) for split in ("train", "val", "test") for defective in (True, False)}
    dealt = [note for note in dataset.notes if "dealt" in note]
    assert bool(dealt) == (not given.splits), dataset.notes
    if "test" in given.splits:
        folders = ("test", "valid", "Test", "92000", "cast_def_0")
        assert not any("no test split was given: images" in note for note in dataset.notes)
        assert (
            all(any(each in sample.path for each in folders) for sample in dataset.of("test")) or given.reader == "visa"
        )


@pytest.mark.parametrize(("build", "message"), [pytest.param(*each[1:], id=each[0]) for each in REFUSED])
def test_a_whole_collection_is_refused_with_what_to_write(build: Any, message: str, tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(DataError, match=message):
        _load(tmp_path)
    assert "\n" not in message


def test_copies_are_no_images_of_their_own(tmp_path: Path) -> None:
    """A photograph under its name in two folders is one; two different ones of one name are refused."""
    given = next(each for each in SETS if each.name == "GC10-DET")
    given.build(tmp_path)
    assert not any(sample.path.startswith("2/img_01") for sample in _load(tmp_path, unlabelled="skip").samples)
    other = next((tmp_path / "2").glob("img_01*"))
    other.write_bytes((tmp_path / "3" / "img_03_3425600_00000.jpg").read_bytes())
    with pytest.raises(DataError, match=r"may be 1/img_01_3425600_00000.jpg or 2/.*two images of one name"):
        _load(tmp_path, unlabelled="skip")


def test_a_mask_that_is_missing_is_named_and_may_be_skipped(tmp_path: Path) -> None:
    given = next(each for each in SETS if each.name == "KolektorSDD")
    given.build(tmp_path)
    (tmp_path / "kos03" / "Part1_label.bmp").unlink()
    with pytest.raises(DataError, match=r"kos03/Part1.jpg: its mask kos03/Part1_GT.jpg is missing.*skip_unreadable"):
        _load(tmp_path)
    assert len(_load(tmp_path, skip_unreadable=True).samples) == 47


def test_boxes_of_deep_pcb_are_checked(tmp_path: Path) -> None:
    given = next(each for each in SETS if each.name == "DeepPCB")
    given.build(tmp_path)
    text = tmp_path / "PCBData" / "group00041" / "00041_not" / "00041002.txt"
    for line, message in (
        ("1 2 30 40\n", r"00041002.txt line 1: wanted left top right bottom and a kind from 1 to 6, got '1 2 30 40'"),
        ("30 2 1 40 1\n", r"00041002.txt line 1: wanted a box with left < right"),
        ("1 2 30 40 7\n", r"a kind from 1 to 6"),
    ):
        text.write_text(line)
        with pytest.raises(DataError, match=message):
            _load(tmp_path / "PCBData")
