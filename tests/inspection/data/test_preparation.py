from __future__ import annotations

import cv2
import numpy as np
import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.camera import Region
from beltline.inspection.data.frame import FrameSpec
from beltline.inspection.data.preparation import prepared, resized
from numpy.typing import NDArray

SPEC = FrameSpec(height=64, width=96, channels=1, mean=(0.5,), std=(0.25,))
SIZES = [
    ((256, 384), (64, 96)),
    ((250, 374), (64, 96)),
    ((257, 385), (64, 96)),
    ((64, 384), (64, 96)),
    ((100, 100), (64, 96)),
    ((70, 96), (64, 96)),
    ((200, 60), (64, 96)),
    ((40, 50), (64, 96)),
]


def noise(height: int, width: int, channels: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (height, width, channels), np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("size", "wanted"), SIZES)
def test_a_frame_keeps_its_mean_whatever_its_size(
    size: tuple[int, int], wanted: tuple[int, int], channels: int
) -> None:
    frame = cv2.GaussianBlur(noise(*size, channels), (0, 0), 2).reshape(*size, channels)
    small = resized(frame, *wanted)
    assert small.shape == (*wanted, channels)
    assert small.flags.c_contiguous
    assert np.allclose(small.mean(axis=(0, 1)), frame.mean(axis=(0, 1)), atol=1.5)


def test_whole_powers_of_two_are_exact_means_but_for_rounding() -> None:
    frame = noise(256, 384)
    exact = frame.reshape(64, 4, 96, 4).mean(axis=(1, 3))
    assert np.abs(resized(frame, 64, 96)[..., 0] - exact).max() <= 1.25


@pytest.mark.parametrize(("size", "wanted"), [each for each in SIZES if each[0][0] >= 64 and each[0][1] >= 96])
def test_no_pixel_of_the_camera_falls_between_the_samples(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    """One bright pixel, wherever it lies: what arrives of it is what areas give, within a factor of 2."""
    random = np.random.default_rng(7)
    expected = wanted[0] * wanted[1] / (size[0] * size[1]) * 255
    for _ in range(60):
        frame = np.zeros((*size, 1), np.uint8)
        row, column = random.integers(size[0]), random.integers(size[1])
        frame[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = 255
        counted = int((frame > 0).sum())
        arrived = int(resized(frame, *wanted).sum()) / counted
        assert 0.5 * expected <= arrived <= 2 * expected


def test_a_region_is_resized_where_it_lies() -> None:
    frame = noise(300, 400)
    cut = frame[20:276, 8:392]
    assert np.array_equal(resized(cut, 64, 96), resized(np.ascontiguousarray(cut), 64, 96))


def test_what_is_not_resized_is_the_frame_itself() -> None:
    frame = noise(64, 96)
    assert prepared(frame, SPEC) is frame
    assert resized(frame, 64, 96) is frame


def test_a_frame_is_taken_whole_or_cut() -> None:
    spec = FrameSpec(
        height=32,
        width=32,
        channels=1,
        mean=(0.5,),
        std=(0.25,),
        frame_height=64,
        frame_width=64,
        region=Region(left=8, top=4, width=64, height=64),
        resize="area",
    )
    frame = noise(80, 100)
    cut = np.ascontiguousarray(frame[4:68, 8:72])
    assert np.array_equal(prepared(frame, spec), prepared(cut, spec))
    assert spec.takes(80, 100)
    assert spec.takes(64, 64)
    assert not spec.takes(60, 100)
    assert spec.in_graph == FrameSpec(
        height=32, width=32, channels=1, mean=(0.5,), std=(0.25,), frame_height=32, frame_width=32
    )


def test_how_frames_are_resized_is_kept_and_checked() -> None:
    area = FrameSpec(height=64, width=96, channels=1, mean=(0.5,), std=(0.25,), resize="area")
    assert FrameSpec.from_json(area.to_json()) == area
    assert "resize" not in SPEC.to_json()
    with pytest.raises(DataError, match="resize must be one of area, bilinear"):
        FrameSpec.from_json({**SPEC.to_json(), "resize": "cubic"})
