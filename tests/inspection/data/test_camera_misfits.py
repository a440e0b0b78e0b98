"""Frames that are not what `camera:` says of them, from files: each is refused by name, with the way out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from beltline.compress.teacher.frames import frame_spec
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.camera import CameraSettings, Region, Tiles
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.preparation import prepared
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.data.streaming import read_sample


def line_of(folder: Path, *sizes: tuple[int, int], camera: CameraSettings | None = None) -> Dataset:
    """Write a good and a defective frame of each size (height and width) for every split, and read them."""
    rows, random = ["path,label,mask,split"], np.random.default_rng(2)
    for at, (height, width) in enumerate(sizes):
        for split in ("train", "val", "test"):
            for label in ("good", "spot"):
                name = f"{split}-{label}-{at}.png"
                cv2.imwrite(str(folder / name), random.integers(60, 200, (height, width), np.uint8))
                mask = ""
                if label == "spot":
                    marked = np.zeros((height, width), np.uint8)
                    marked[: max(1, height // 8), 4:12] = 255
                    mask = f"mask-{name}"
                    cv2.imwrite(str(folder / mask), marked)
                rows.append(f"{name},{label},{mask},{split}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    settings = DataSettings(root=folder, near_duplicates=False)
    return load_dataset(settings, camera=camera or CameraSettings())


def test_frames_whose_size_changes_are_cut_into_as_many_tiles_as_each_has(tmp_path: Path) -> None:
    tiles = CameraSettings(tiles=Tiles(size=64, overlap=16))
    dataset = line_of(tmp_path, (96, 160), (128, 320), camera=tiles)
    spec = frame_spec(dataset)
    assert (spec.frame_height, spec.frame_width, spec.prepared_size) == (None, None, None)
    sizes = {prepared(read_sample(dataset, each), spec).shape for each in dataset.samples}
    assert sizes == {(96, 160, 1), (128, 320, 1)}


def test_what_is_ignored_cannot_be_said_of_frames_whose_size_changes(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "ignore.png"), np.eye(96, 160, dtype=np.uint8) * 255)
    camera = CameraSettings(ignore=tmp_path / "ignore.png")
    with pytest.raises(DataError, match=r"wanted frames of one size, got 2 sizes \(160 x 96, 320 x 128"):
        line_of(tmp_path, (96, 160), (128, 320), camera=camera)


def test_a_region_that_only_the_larger_frames_hold_is_refused_with_the_smaller_one(tmp_path: Path) -> None:
    camera = CameraSettings(region=Region(left=100, width=200, height=96))
    with pytest.raises(DataError, match=r"wanted a rectangle inside test-good-0.png, 160 x 96, got left 100"):
        line_of(tmp_path, (96, 160), (128, 320), camera=camera)


def test_tiles_larger_than_one_of_the_frames_are_refused_with_its_name(tmp_path: Path) -> None:
    dataset = line_of(tmp_path, (96, 160), (48, 160), camera=CameraSettings(tiles=Tiles(size=64)))
    with pytest.raises(DataError, match=r"wanted tiles inside test-good-1.png, 160 x 48 .* got 64 x 64"):
        frame_spec(dataset)


@pytest.mark.parametrize("camera", [CameraSettings(), CameraSettings(tiles=Tiles(size=64))])
def test_a_line_scan_of_one_row_is_refused(tmp_path: Path, camera: CameraSettings) -> None:
    dataset = line_of(tmp_path, (1, 2048), camera=camera)
    with pytest.raises(DataError, match="at least 8 pixels a side, got 2048 x 1; let the line scan camera gather"):
        frame_spec(dataset)


_WITHOUT_MEMORY = """
import re, resource, sys
from pathlib import Path
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.images import read_frame
used = int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (used + (96 << 20),) * 2)
try:
    read_frame(Path(sys.argv[1]), channels=1)
except DataError as error:
    print(error)
"""


def test_a_frame_that_does_not_fit_into_memory_is_refused_and_not_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    assert cv2.imwrite(str(path), np.zeros((8192, 16384), np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    found = subprocess.run(
        [sys.executable, "-c", _WITHOUT_MEMORY, str(path)], capture_output=True, text=True, check=True, timeout=300
    )
    assert found.stdout.strip().endswith("no memory is left to decode 16384 x 8192 pixels; free some, or cut it")
