from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from beltline.inspection.base.errors import DataError, StorageError
from beltline.inspection.statistics.roc import auroc
from beltline.inspection.synthetic.dataset import write_synthetic_line
from beltline.inspection.synthetic.drawing import DEFECTS, draw_part
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("line")
    write_synthetic_line(root, parts=240, exposures=2)
    return root


def test_every_split_has_good_parts_and_all_defects(line: Path) -> None:
    found = {(row["split"], row["label"]) for row in _rows(line)}
    assert found == {(split, kind) for split in ("train", "val", "test") for kind in ("good", *DEFECTS)}


def test_all_exposures_of_a_part_stand_in_one_split_and_differ(line: Path) -> None:
    by_part = defaultdict(list)
    for row in _rows(line):
        by_part[row["group"]].append(row)
    for rows in by_part.values():
        assert len({(row["split"], row["label"]) for row in rows}) == 1
        first, second = (_grey(line, row["path"]).astype(float) for row in rows)
        assert np.abs(first - second).mean() > 1


def test_masks_are_exact_sets_of_few_pixels(line: Path) -> None:
    for row in _rows(line):
        assert bool(row["mask"]) == (row["label"] != "good")
        if row["mask"]:
            mask = _grey(line, row["mask"])
            assert mask.shape == _grey(line, row["path"]).shape == (128, 128)
            assert set(np.unique(mask)) == {0, 255}
            assert 0 < (mask > 0).mean() < 0.06


@pytest.mark.parametrize("kind", DEFECTS)
def test_a_defect_changes_the_plate_where_its_mask_says_and_nowhere_else(kind: str) -> None:
    marked, plain = (draw_part(each, np.random.default_rng(7)) for each in (kind, "good"))
    near = cv2.dilate(marked.defect.astype(np.uint8), np.ones((13, 13), np.uint8)) > 0
    changed = (
        (np.abs(marked.height - plain.height) > 1e-6)
        | (marked.reflectance != plain.reflectance)
        | (marked.body != plain.body)
    )
    assert changed[marked.defect].all()
    assert not changed[~near].any()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("again", 3), ("other", 4)):
        write_synthetic_line(tmp_path / name, seed=seed, parts=22, exposures=1)
    one, again, other = (_digests(tmp_path / name) for name in ("one", "again", "other"))
    assert one == again
    assert one != other


def test_a_part_looks_the_same_on_a_longer_line(tmp_path: Path) -> None:
    for name, parts in (("short", 22), ("long", 26)):
        write_synthetic_line(tmp_path / name, parts=parts, exposures=1)
    short, long = _digests(tmp_path / "short"), _digests(tmp_path / "long")
    assert {name: digest for name, digest in short.items() if name != "labels.csv"}.items() <= long.items()


def test_gradient_statistics_do_not_tell_good_from_defective(line: Path) -> None:
    rows = _rows(line)
    features = np.array([_gradient_histograms(_grey(line, row["path"])) for row in rows])
    defective = np.array([row["label"] != "good" for row in rows])
    train = np.array([row["split"] == "train" for row in rows])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    model.fit(features[train], defective[train])
    test = np.array([row["split"] == "test" for row in rows])
    assert auroc(model.decision_function(features[test]), defective[test]) < 0.75


@pytest.mark.parametrize("wrong", [{"parts": 21}, {"exposures": 0}, {"seed": -1}])
def test_impossible_sizes_are_refused_before_anything_is_written(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(DataError, match="wanted parts >= 22"):
        write_synthetic_line(tmp_path / "line", **wrong)
    assert not (tmp_path / "line").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "frames").write_text("a file where a folder is needed")
    with pytest.raises(StorageError, match=r"cannot write .*frames"):
        write_synthetic_line(tmp_path, parts=22, exposures=1)


def _rows(root: Path) -> Rows:
    with (root / "labels.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _grey(root: Path, name: str) -> NDArray[np.uint8]:
    return np.asarray(cv2.imread(str(root / name), cv2.IMREAD_UNCHANGED), dtype=np.uint8)


def _digests(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _gradient_histograms(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Orientation histogram and quantiles of the gradient in each of 4 x 4 cells."""
    slopes = (cv2.Sobel(frame.astype(np.float32), -1, *axis) for axis in ((1, 0), (0, 1)))
    strength, angle = cv2.cartToPolar(*slopes)
    orientation = (angle * 9 / np.pi).astype(int) % 9
    features: list[NDArray[np.float64]] = []
    for top in range(0, 128, 32):
        for left in range(0, 128, 32):
            cell = slice(top, top + 32), slice(left, left + 32)
            histogram = np.bincount(orientation[cell].ravel(), strength[cell].ravel(), 9)
            quantiles = np.log1p(np.quantile(strength[cell], (0.5, 0.9, 0.99, 1.0)))
            features += [histogram / (histogram.sum() + 1), quantiles]
    return np.concatenate(features)
