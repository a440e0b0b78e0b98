"""All that is kept of a line: its own photographs stay where they were dealt, what people found is added once."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.settings import DataSettings
from beltline.pipeline.learning.keeping import FOUND, keep


def photograph(path: Path, seed: int) -> Path:
    """Draw a photograph that no other seed gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 255, (32, 32), dtype=np.uint8))
    return path


def _own(root: Path) -> Dataset:
    return load_dataset(DataSettings(root=root, reader="good_parts", near_duplicates=False), needs_defects=False)


def _kept(kept: Path) -> Dataset:
    settings = DataSettings(root=kept, reader="labels_csv", near_duplicates=False)
    return load_dataset(settings, needs_defects=False)


@pytest.fixture
def own(tmp_path: Path) -> Dataset:
    for seed in range(20):
        photograph(tmp_path / "parts" / f"{seed}.png", seed)
    return _own(tmp_path / "parts")


def test_the_lines_own_photographs_stay_in_their_splits_and_found_ones_are_added(tmp_path: Path, own: Dataset) -> None:
    photograph(tmp_path / "missed" / "scratch" / "a.png", 100)
    photograph(tmp_path / "missed" / "b.png", 101)
    photograph(tmp_path / "rejected" / "c.png", 102)
    added = keep(tmp_path / "kept", own, good=tmp_path / "rejected", defects=tmp_path / "missed")
    assert (added.good, added.defective, added.there) == (1, 2, 0)
    kept = _kept(tmp_path / "kept")
    splits = {sample.digest: sample.split for sample in kept.samples}
    assert {sample.digest: sample.split for sample in own.samples}.items() <= splits.items()
    found = [sample for sample in kept.samples if sample.path.startswith(FOUND)]
    assert sorted(sample.label for sample in found) == ["defect", "good", "scratch"]


def test_what_is_given_twice_is_kept_once_and_new_photographs_of_the_line_come_in(tmp_path: Path, own: Dataset) -> None:
    photograph(tmp_path / "missed" / "a.png", 100)
    keep(tmp_path / "kept", own, good=None, defects=tmp_path / "missed")
    photograph(tmp_path / "parts" / "new.png", 300)
    again = keep(tmp_path / "kept", _own(tmp_path / "parts"), good=None, defects=tmp_path / "missed")
    assert (again.defective, again.there) == (0, 1)
    assert len(_kept(tmp_path / "kept").samples) == 22


def test_a_good_photograph_that_turns_out_to_show_a_defect_counts_as_one(tmp_path: Path, own: Dataset) -> None:
    photograph(tmp_path / "missed" / "crack" / "a.png", 3)
    added = keep(tmp_path / "kept", own, good=None, defects=tmp_path / "missed")
    assert added.relabelled == ("own/3.png",)
    labels = {sample.path: sample.label for sample in _kept(tmp_path / "kept").samples}
    assert labels["own/3.png"] == "crack"


def test_one_photograph_as_good_and_as_defective_is_refused_and_nothing_is_kept(tmp_path: Path, own: Dataset) -> None:
    photograph(tmp_path / "missed" / "a.png", 100)
    photograph(tmp_path / "rejected" / "b.png", 100)
    with pytest.raises(DataError, match="are the same photograph, as good and as defect; remove one of them"):
        keep(tmp_path / "kept", own, good=tmp_path / "rejected", defects=tmp_path / "missed")
    assert not (tmp_path / "kept").exists()


def test_a_folder_without_photographs_or_with_good_ones_among_the_defects_is_refused(
    tmp_path: Path, own: Dataset
) -> None:
    with pytest.raises(DataError, match="got none there; correct the path"):
        keep(tmp_path / "kept", own, good=tmp_path / "nowhere", defects=None)
    photograph(tmp_path / "missed" / "good" / "a.png", 100)
    with pytest.raises(DataError, match="give good photographs with --good"):
        keep(tmp_path / "kept", own, good=None, defects=tmp_path / "missed")
