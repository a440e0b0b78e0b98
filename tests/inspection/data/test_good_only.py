"""Data without defects: read, grouped and dealt so that good parts alone set the threshold."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.dataset import SPLITS, Dataset
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.settings import DataSettings


def _write(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 6), dtype=np.uint8)
    path.write_bytes(cv2.imencode(".png", cv2.resize(coarse, (48, 48)))[1].tobytes())


def _counts(dataset: Dataset) -> list[tuple[int, int]]:
    return [(len(dataset.of(split)), sum(each.defective for each in dataset.of(split))) for split in SPLITS]


def test_a_folder_of_good_photographs_is_dealt_40_50_10(tmp_path: Path) -> None:
    for seed in range(20):
        _write(tmp_path / f"day {seed % 2}" / f"{seed}.png", seed)
    dataset = load_dataset(DataSettings(root=tmp_path, reader="good_parts"), needs_defects=False)
    assert _counts(dataset) == [(8, 0), (10, 0), (2, 0)]
    assert any("half of them, val, set the threshold" in note for note in dataset.notes)


def test_a_teacher_of_defects_is_told_of_the_memory(tmp_path: Path) -> None:
    for seed in range(4):
        _write(tmp_path / f"{seed}.png", seed)
    with pytest.raises(DataError, match=r"no defective one .* write teacher: \{kind: memory\}"):
        load_dataset(DataSettings(root=tmp_path, reader="good_parts"))


def test_the_split_of_mvtec_stays_and_half_of_train_becomes_val(tmp_path: Path) -> None:
    for seed in range(12):
        _write(tmp_path / "train" / "good" / f"{seed}.png", seed)
        _write(tmp_path / "test" / ("good" if seed % 2 else "scratch") / f"{seed}.png", 100 + seed)
    dataset = load_dataset(DataSettings(root=tmp_path), needs_defects=False)
    assert _counts(dataset) == [(6, 0), (6, 0), (12, 6)]


def test_photographs_that_are_all_alike_are_one_part(tmp_path: Path) -> None:
    for name in range(10):
        _write(tmp_path / f"{name}.png", 1)
    with pytest.raises(DataError, match=r"at least 3 different parts.* got 1"):
        load_dataset(DataSettings(root=tmp_path, reader="good_parts"), needs_defects=False)
