"""Raw mosaics: read as they are, and turned to colour by the one function that everybody shares."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from beltline.compress.teacher.frames import frame_spec
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.bayer import Bayer, colour_planes, coloured
from beltline.inspection.data.camera import CameraSettings, Region, Tiles
from beltline.inspection.data.frame import FrameSpec
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.preparation import prepared, resized
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.data.streaming import read_sample
from beltline.inspection.synthetic.camera import Camera, write_camera_line
from numpy.typing import NDArray
from pydantic import ValidationError

PATTERNS = get_args(Bayer)
COLOUR = (200, 120, 40)


def flat(pattern: str, height: int, width: int) -> NDArray[np.uint8]:
    """What a sensor sees of an even colour."""
    cell = np.array([COLOUR["rgb".index(each)] for each in pattern], np.uint8).reshape(2, 2)
    return np.tile(cell, (-(-height // 2), -(-width // 2)))[:height, :width, None]


def spec_of(height: int, width: int, pattern: str, **more: object) -> FrameSpec:
    return FrameSpec.from_json(
        {
            "height": height,
            "width": width,
            "channels": 3,
            "mean": [0.5] * 3,
            "std": [0.25] * 3,
            "resize": "area",
            "bayer": pattern,
            **more,
        }
    )


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [(64, 96), (65, 97), (128, 192), (131, 193), (400, 600), (32, 48)])
def test_an_even_colour_is_that_colour_whatever_becomes_of_the_size(pattern: Bayer, size: tuple[int, int]) -> None:
    seen = prepared(flat(pattern, *size), spec_of(64, 96, pattern))
    assert seen.shape == (64, 96, 3)
    assert seen.flags.c_contiguous
    assert np.unique(seen.reshape(-1, 3), axis=0).tolist() == [list(COLOUR)]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_two_by_two_are_one_pixel_and_nothing_is_left_out(pattern: Bayer) -> None:
    frame = np.random.default_rng(4).integers(0, 256, (64, 96, 1), np.uint8)
    planes = colour_planes(frame, pattern)
    for plane, colour in zip(planes, "rgb", strict=True):
        own = [frame[at // 2 :: 2, at % 2 :: 2, 0] for at, each in enumerate(pattern) if each == colour]
        assert np.abs(plane - np.mean(own, axis=0)).max() <= 0.5
    region = frame[8:40, 6:70]
    for cut, whole in zip(colour_planes(region, pattern), planes, strict=True):
        assert np.array_equal(cut, whole[4:20, 3:35])


def test_both_ways_show_the_same_picture() -> None:
    """A smooth scene: made by two by two, or interpolated and then shrunk, its colours differ by little."""
    random = np.random.default_rng(5)
    scene = cv2.resize(random.integers(40, 220, (9, 11, 3), np.uint8), (384, 256), interpolation=cv2.INTER_CUBIC)
    mosaic = np.empty((256, 384, 1), np.uint8)
    for at, colour in enumerate("grbg"):
        mosaic[at // 2 :: 2, at % 2 :: 2, 0] = scene[at // 2 :: 2, at % 2 :: 2, "rgb".index(colour)]
    seen = prepared(mosaic, spec_of(64, 96, "grbg"))
    assert np.abs(seen.astype(int) - resized(coloured(mosaic, "grbg"), 64, 96)).mean() < 1
    assert np.abs(seen.astype(int) - resized(scene, 64, 96)).mean() < 1.5


def test_tiles_are_cut_from_colours_and_the_graph_takes_them() -> None:
    tiles = Tiles(size=64, overlap=16, scale=0.5)
    spec = spec_of(64, 64, "gbrg", tiles=tiles.model_dump())
    assert prepared(flat("gbrg", 256, 384), spec).shape == (128, 192, 3)
    assert (spec.frame_channels, spec.in_graph.frame_channels, spec.in_graph.bayer) == (1, 3, None)
    assert spec.array_shape(256, 384) == (256, 384, 1)
    assert FrameSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    "wrong", [{"bayer": "rgbg"}, {"channels": 1, "mean": [0.5], "std": [0.25]}, {"reference": True}]
)
def test_a_stored_pattern_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(DataError, match="bayer must be one of rggb, bggr, grbg, gbrg, of 3 channels"):
        FrameSpec.from_json({**spec_of(64, 96, "rggb").to_json(), **wrong})


def test_a_region_begins_where_the_pattern_does() -> None:
    with pytest.raises(ValidationError, match=r"wanted even left and top, .* got left 3 and top 2; move it by one"):
        CameraSettings(bayer="rggb", region=Region(left=3, top=2, width=64, height=64))
    with pytest.raises(DataError, match="wanted even left and top"):
        spec_of(64, 96, "rggb", region={"left": 0, "top": 1, "width": 96, "height": 64})


@pytest.fixture(scope="module")
def belt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mosaics")
    camera = Camera(width=256, height=192, channels=3, bayer="bggr")
    write_camera_line(folder, camera, parts=60, defect_px=(8, 24))
    return folder


def test_a_line_of_mosaics_is_shown_in_colour(belt: Path) -> None:
    dataset = load_dataset(DataSettings(root=belt), camera=CameraSettings(bayer="bggr"))
    assert (dataset.channels, dataset.file_channels) == (3, 1)
    assert not any("mosaics" in note for note in dataset.notes)
    sample = dataset.samples[0]
    assert read_sample(dataset, sample).shape == (192, 256, 1)
    spec = frame_spec(dataset, (64, 96))
    assert (spec.bayer, spec.channels, spec.resize) == ("bggr", 3, "area")
    red, green, blue = prepared(read_sample(dataset, sample), spec).mean(axis=(0, 1))
    assert green / red == pytest.approx(0.92, abs=0.02)
    assert blue / red == pytest.approx(0.8, abs=0.02)
    assert dataset.digest != load_dataset(DataSettings(root=belt)).digest


def test_mosaics_that_nobody_named_are_hinted_at(belt: Path) -> None:
    notes = load_dataset(DataSettings(root=belt)).notes
    assert any(
        "grey images look like raw colour mosaics" in each and "write camera.bayer: rggb" in each for each in notes
    )


def test_pictures_in_colour_are_no_mosaics(belt: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"wanted raw mosaics, to be shown in colour, got data.channels: 1"):
        load_dataset(DataSettings(root=belt, channels=1), camera=CameraSettings(bayer="bggr"))
    write_camera_line(tmp_path, Camera(width=96, height=64, channels=3), parts=60, defect_px=(4, 12))
    with pytest.raises(DataError, match=r"got frames/good/part00000.png, which is in colour already"):
        load_dataset(DataSettings(root=tmp_path), camera=CameraSettings(bayer="rggb"))
