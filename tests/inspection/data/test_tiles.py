from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.camera import CameraSettings, Region, Tiles
from beltline.inspection.data.frame import FrameSpec
from beltline.inspection.data.ignoring import read_ignored
from beltline.inspection.data.preparation import prepared, stitched, tiles_of
from beltline.inspection.data.runs import mask_of, resized_runs, runs_of
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

TILES = Tiles(size=64, overlap=16)


def spec_of(tiles: Tiles, **more: object) -> FrameSpec:
    size = {"height": tiles.size, "width": tiles.size, "resize": "area", "tiles": tiles}
    return FrameSpec.from_json(
        {"channels": 1, "mean": [0.5], "std": [0.25], **size, "tiles": tiles.model_dump(), **more}
    )


@given(length=st.integers(64, 2000), overlap=st.integers(0, 32))
def test_tiles_cover_a_side_and_share_what_they_are_to(length: int, overlap: int) -> None:
    tiles = Tiles(size=64, overlap=overlap)
    starts = tiles.starts(length)
    assert starts[0] == 0
    assert starts[-1] == length - 64
    assert all(0 < after - before <= 64 - overlap for before, after in pairwise(starts))


def test_a_heatmap_is_stitched_without_a_seam() -> None:
    """A network that shows every fourth pixel as it is: the whole heatmap is the frame, wherever tiles meet."""
    random = np.random.default_rng(3)
    frame = np.repeat(np.repeat(random.integers(0, 256, (40, 52, 1), np.uint8), 4, axis=0), 4, axis=1)
    heatmaps = [tile[::4, ::4, 0] for tile in tiles_of(frame, spec_of(Tiles(size=64, overlap=16)))]
    whole = stitched(heatmaps, TILES, *frame.shape[:2])
    assert len(heatmaps) == TILES.count(160, 208) == 12
    assert np.array_equal(whole, frame[::4, ::4, 0])


def test_a_stitched_heatmap_is_as_large_as_its_frame_wherever_tiles_begin() -> None:
    frame = np.full((161, 203, 1), 7, np.uint8)
    whole = stitched([tile[::4, ::4, 0] for tile in tiles_of(frame, spec_of(TILES))], TILES, *frame.shape[:2])
    assert whole.shape == (40, 51)
    assert (whole == 7).all()


def test_frames_are_shrunk_before_they_are_cut() -> None:
    frame = np.full((256, 384, 1), 90, np.uint8)
    spec = spec_of(Tiles(size=64, overlap=0, scale=0.5))
    pixels = prepared(frame, spec)
    assert pixels.shape == (128, 192, 1)
    assert [tile.shape for tile in tiles_of(pixels, spec)] == [(64, 64, 1)] * 6
    assert FrameSpec.from_json(spec.to_json()) == spec


def test_tiles_larger_than_the_frame_are_refused_with_both_sizes() -> None:
    with pytest.raises(DataError, match=r"wanted tiles inside frame, 100 x 60 .* got 64 x 64; make them smaller"):
        prepared(np.zeros((60, 100, 1), np.uint8), spec_of(TILES))


def test_an_overlap_of_more_than_half_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most half of size 64, got 40"):
        Tiles(size=64, overlap=40)


@given(st.lists(st.booleans(), min_size=12, max_size=12))
def test_run_lengths_are_read_back(values: list[bool]) -> None:
    mask = np.array(values).reshape(3, 4)
    assert np.array_equal(mask_of(runs_of(mask), 3, 4), mask)
    assert np.array_equal(mask_of(resized_runs(runs_of(mask), (3, 4), (6, 8)), 6, 8), mask.repeat(2, 0).repeat(2, 1))


def ignoring(folder: Path, mask: np.ndarray, region: Region | None = None) -> CameraSettings:
    cv2.imwrite(str(folder / "ignore.png"), mask.astype(np.uint8) * 255)
    return CameraSettings(ignore=folder / "ignore.png", region=region)


def test_what_is_ignored_is_painted_in_the_mean_colour(tmp_path: Path) -> None:
    mask = np.zeros((64, 96), np.bool_)
    mask[:, 80:] = True
    runs = read_ignored(ignoring(tmp_path, mask), 64, 96)
    spec = FrameSpec(height=32, width=96, channels=1, mean=(0.4,), std=(0.25,), resize="area", ignore=None)
    assert runs is not None
    shrunk = FrameSpec(
        height=32,
        width=96,
        channels=1,
        mean=(0.4,),
        std=(0.25,),
        resize="area",
        ignore=resized_runs(runs, (64, 96), (32, 96)),
    )
    frame = np.random.default_rng(1).integers(0, 256, (64, 96, 1), np.uint8)
    seen = prepared(frame, shrunk)
    assert (seen[:, 80:] == 102).all()
    assert np.array_equal(seen[:, :80], prepared(frame, spec)[:, :80])
    assert FrameSpec.from_json(shrunk.to_json()) == shrunk
    assert shrunk.in_graph.ignore is None


def test_a_region_cuts_what_is_ignored_too(tmp_path: Path) -> None:
    mask = np.zeros((64, 96), np.bool_)
    mask[10:20, 30:50] = True
    runs = read_ignored(ignoring(tmp_path, mask, Region(left=20, top=8, width=40, height=30)), 64, 96)
    assert runs is not None
    assert np.array_equal(mask_of(runs, 30, 40), mask[8:38, 20:60])


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (np.zeros((30, 40), np.bool_), "wanted the size of the camera's frames, 96 x 64, got 40 x 30"),
        (np.ones((64, 96), np.bool_), "all of it is white: nothing is left to judge"),
        (np.zeros((64, 96), np.bool_), "nothing of it is white"),
    ],
)
def test_a_mask_that_cannot_be_meant_is_refused(tmp_path: Path, mask: np.ndarray, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        read_ignored(ignoring(tmp_path, mask), 64, 96)


def test_stored_runs_of_another_size_are_refused() -> None:
    with pytest.raises(DataError, match="ignore wants runs of 6 pixels in all, got 5"):
        mask_of((2, 3), 2, 3)
