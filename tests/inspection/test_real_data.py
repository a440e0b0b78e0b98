"""The two real data sets, where they lie beside the repository: counts as their READMEs say."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from beltline.inspection.data.dataset import SPLITS, Dataset
from beltline.inspection.data.images import read_frame
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.masks import read_mask
from beltline.inspection.data.settings import DataSettings

_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def _loaded(name: str, cache: Path) -> Dataset:
    root = _DATA / name
    if not root.is_dir():
        pytest.skip(f"{root} is not there; it is not shipped with the repository")
    return load_dataset(DataSettings(root=root), cache=cache)


def _table(dataset: Dataset) -> dict[str, list[int]]:
    counts = Counter((sample.label, sample.split) for sample in dataset.samples)
    return {label: [counts[label, split] for split in SPLITS] for label in {s.label for s in dataset.samples}}


def _groups(dataset: Dataset) -> list[int]:
    return [len({sample.group for sample in dataset.of(split)}) for split in SPLITS]


def test_pcb_counts_as_its_readme_says(tmp_path: Path) -> None:
    dataset = _loaded("pcb", tmp_path / "index.db")
    assert _table(dataset) == {
        "good": [2696, 777, 2112],
        "open": [397, 98, 160],
        "short": [302, 77, 112],
        "mousebite": [395, 106, 100],
        "spur": [307, 74, 111],
        "copper": [361, 106, 127],
        "pinhole": [334, 103, 133],
        "combined": [504, 136, 145],
    }
    assert _groups(dataset) == [1000, 207, 273]
    assert (dataset.channels, dataset.bit_depth) == (1, 8)
    assert dataset.digest == "sha256:557b79934978b867a015255de5eefd30cdbb1d70e5042ccbf18d25cdd838d930"
    assert all(sample.mask for sample in dataset.samples if sample.defective)
    frame = read_frame(dataset.root / dataset.samples[0].path, channels=1)
    assert frame.shape == (160, 160, 1)
    assert set(np.unique(frame)) == {0, 255}


def test_magnetic_tile_counts_as_its_readme_says(tmp_path: Path) -> None:
    dataset = _loaded("magnetic_tile", tmp_path / "index.db")
    assert _table(dataset) == {
        "good": [568, 192, 192],
        "blowhole": [71, 24, 20],
        "break": [51, 17, 17],
        "crack": [33, 12, 12],
        "fray": [19, 6, 7],
        "uneven": [61, 24, 18],
    }
    assert _groups(dataset) == [100, 35, 35]
    assert dataset.channels == 1
    assert dataset.digest == "sha256:197766ba8a866f49a095dc85bea20f6b8c4041b4849c4d16465ed8b24f7aa0fe"
    assert [note for note in dataset.notes if note.startswith("4 defective images have a mask of one value")]
    with (dataset.root / "labels.csv").open() as stream:
        pixels = {row["path"]: row["mask_pixels"] for row in csv.DictReader(stream)}
    for sample in [sample for sample in dataset.samples if sample.mask][::40]:
        assert int(read_mask(dataset.root / str(sample.mask), dataset.masks).sum()) == int(pixels[sample.path])
