from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.data.streaming import read_sample, read_sample_mask
from beltline.inspection.synthetic.camera import CAMERAS, KINDS, Camera, Surface, write_camera_line

SMALL = Camera(width=320, height=200)


def test_a_line_is_read_with_exact_masks_and_the_same_from_one_seed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_camera_line(tmp_path / name, SMALL, seed=4, parts=60, defect_px=(4, 20))
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert all((tmp_path / "one" / each).read_bytes() == (tmp_path / "two" / each).read_bytes() for each in files)
    dataset = load_dataset(DataSettings(root=tmp_path / "one"))
    assert {split: len(dataset.of(split)) for split in ("train", "val", "test")} == {"train": 36, "val": 12, "test": 12}
    assert {sample.label for sample in dataset.of("test")} == {"good", *KINDS}
    assert {read_sample(dataset, sample).shape for sample in dataset.samples} == {(200, 320, 1)}
    marked = [read_sample_mask(dataset, sample) for sample in dataset.samples if sample.defective]
    assert all(mask is not None and 3 <= mask.sum() <= 21 * 21 for mask in marked)


@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_is_darker_than_what_is_around_it_and_as_large_as_said(kind: str) -> None:
    surface = Surface(SMALL, 1)
    for size in (6.0, 24.0):
        frame, mask = surface.photograph(kind, size, np.random.default_rng(8))
        rows, columns = np.nonzero(mask)
        length = np.hypot(np.ptp(rows) + 1, np.ptp(columns) + 1)
        assert 0.7 * size <= length <= 1.6 * size + 2
        around = cv2.dilate(mask, np.ones((9, 9), np.uint8)) > mask
        assert frame[..., 0][mask > 0].mean() < frame[..., 0][around].mean() - 15


def test_real_cameras_have_their_size_and_colour() -> None:
    assert [(each.height, each.width, each.channels) for each in CAMERAS.values()] == [
        (2048, 2448, 1),
        (2048, 2448, 3),
        (2048, 2448, 3),
        (3000, 4096, 3),
        (2048, 8192, 1),
    ]
    frame, _ = Surface(Camera(width=96, height=64, channels=3, lines=True), 0).photograph(
        "good", 4, np.random.default_rng(1)
    )
    assert frame.shape == (64, 96, 3)
    assert frame[..., 0].mean() > frame[..., 2].mean()


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="wanted parts >= 60"):
        write_camera_line(tmp_path, SMALL, parts=10)
    with pytest.raises(DataError, match="at least 64 x 64 pixels"):
        Camera(width=4096, height=1)
