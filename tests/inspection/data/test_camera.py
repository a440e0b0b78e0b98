from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from beltline.compress.teacher.frames import frame_spec
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.camera import CameraSettings, Region
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.frame import FrameSpec
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.data.streaming import read_sample, read_sample_mask

REGION = Region(left=20, top=10, width=64, height=32)


@pytest.fixture
def belt(tmp_path: Path) -> Path:
    """Twelve frames of 96 x 64 pixels that differ, half of them with a marked defect in the region."""
    random = np.random.default_rng(3)
    rows = []
    for number in range(12):
        frame = random.integers(60, 200, (64, 96), np.uint8)
        name, mask = f"{number:02d}.png", ""
        if number % 2:
            marked = np.zeros((64, 96), np.uint8)
            marked[14:20, 30:40] = 255
            mask = f"{number:02d}_mask.png"
            cv2.imwrite(str(tmp_path / mask), marked)
        cv2.imwrite(str(tmp_path / name), frame)
        rows.append(f"{name},{'scratch' if number % 2 else 'good'},{mask},{('train', 'val', 'test')[number // 2 % 3]}")
    (tmp_path / "labels.csv").write_text("\n".join(["path,label,mask,split", *rows]) + "\n")
    return tmp_path


def seen_through(belt: Path, region: Region | None) -> Dataset:
    settings = DataSettings(root=belt, near_duplicates=False)
    return load_dataset(settings, camera=CameraSettings(region=region))


def test_frames_and_masks_are_cut_alike(belt: Path) -> None:
    whole, cut = seen_through(belt, None), seen_through(belt, REGION)
    for before, after in zip(whole.samples, cut.samples, strict=True):
        assert (after.height, after.width) == (32, 64)
        assert np.array_equal(read_sample(cut, after), read_sample(whole, before)[10:42, 20:84])
        assert read_sample(cut, after).flags.c_contiguous
        mask, cut_mask = read_sample_mask(whole, before), read_sample_mask(cut, after)
        assert (mask is None) == (cut_mask is None)
        if mask is not None:
            assert cut_mask is not None
            assert np.array_equal(cut_mask, mask[10:42, 20:84])
            assert cut_mask.sum() == mask.sum()


def test_a_region_is_part_of_what_decides_a_result(belt: Path) -> None:
    digests = {seen_through(belt, region).digest for region in (None, REGION, Region(width=64, height=32))}
    assert len(digests) == 3


def test_the_network_is_made_for_the_region(belt: Path) -> None:
    spec = frame_spec(seen_through(belt, REGION))
    assert (spec.frame_height, spec.frame_width, spec.height, spec.width, spec.region) == (32, 64, 32, 64, REGION)
    assert FrameSpec.from_json(spec.to_json()) == spec


def test_a_specification_without_a_region_reads_and_writes_as_before() -> None:
    spec = FrameSpec(height=64, width=96, channels=1, mean=(0.5,), std=(0.25,))
    assert "region" not in spec.to_json()
    assert FrameSpec.from_json(spec.to_json()).region is None


def test_a_region_beyond_the_frame_is_refused_with_both_sizes(belt: Path) -> None:
    with pytest.raises(DataError, match=r"camera.region: wanted a rectangle inside 00.png, 96 x 64, got left 40 \+ "):
        seen_through(belt, Region(left=40, width=64, height=32))


def test_a_stored_region_that_is_none_is_refused() -> None:
    stored = {**FrameSpec(height=64, width=96, channels=1, mean=(0.5,), std=(0.25,)).to_json(), "region": {"left": -1}}
    with pytest.raises(DataError, match="not a frame specification"):
        FrameSpec.from_json(stored)
