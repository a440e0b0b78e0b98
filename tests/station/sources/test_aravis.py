"""GigE Vision and USB3 Vision through Aravis: its simulated camera, and one behind a real network interface."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from beltline.inspection.base.errors import DataError, SourceError
from beltline.station.frames import FaultyFrame, OfferedFrame, PixelRule, Quiet, Source, source_kinds
from beltline.station.intake.pixels import FORMATS, image_of_bgr, image_of_raw

KIND = source_kinds()["aravis"]
PROGRAM = shutil.which("arv-fake-gv-camera-0.8")
needs_aravis = pytest.mark.skipif(KIND.missing() is not None, reason=str(KIND.missing()))
needs_network_camera = pytest.mark.skipif(PROGRAM is None, reason="apt install aravis-tools")


def opened(channels: int = 1, **settings: Any) -> Source:
    wanted = KIND.settings_type.model_validate({"camera": "Fake_1", "frames_per_s": 100, **settings})
    return KIND.open(wanted, name="camera", pixels=PixelRule(channels=channels))


def taken(source: Source, most: int) -> list[OfferedFrame | FaultyFrame]:
    found: list[OfferedFrame | FaultyFrame] = []
    until = time.monotonic() + 30
    while len(found) < most and time.monotonic() < until:
        frame = source.next_frame(0.2)
        if not isinstance(frame, Quiet):
            found.append(frame)
    return found


@needs_aravis
@pytest.mark.parametrize(
    ("pixel_format", "channels"), [("Mono8", 1), ("Mono8", 3), ("Mono16", 1), ("BayerRG8", 3), ("RGB8", 3)]
)
def test_a_simulated_camera_gives_frames(pixel_format: str, channels: int) -> None:
    source = opened(channels, pixel_format=pixel_format, features={"Width": 128, "Height": 96})
    found = taken(source, 3)
    source.close()
    images = [frame.image for frame in found if isinstance(frame, OfferedFrame)]
    assert [image.shape for image in images] == [(96, 128, channels)] * 3
    assert all(image.flags.c_contiguous and image.min() < image.max() for image in images)
    assert [frame.number for frame in found] == [1, 2, 3]


@needs_aravis
def test_what_a_camera_does_not_take_is_said() -> None:
    with pytest.raises(SourceError, match="Mono9"):
        opened(pixel_format="Mono9")
    with pytest.raises(SourceError):
        opened(camera="Fake_77")
    with pytest.raises(SourceError, match="NoSuchFeature"):
        opened(features={"NoSuchFeature": 1})


@pytest.fixture
def network_camera() -> Iterator[str]:
    """A GigE Vision camera on the loopback interface; it loses one packet in a hundred."""
    with subprocess.Popen([str(PROGRAM), "-i", "127.0.0.1", "-r", "10"], stderr=subprocess.DEVNULL) as process:
        yield "127.0.0.1"
        process.kill()


@needs_aravis
@needs_network_camera
def test_a_network_camera_s_lost_packets_are_faulty_frames(network_camera: str) -> None:
    found: list[OfferedFrame | FaultyFrame] = []
    source: Source | None = None
    until = time.monotonic() + 30
    while source is None and time.monotonic() < until:
        try:
            source = opened(camera=network_camera, frames_per_s=50)
        except SourceError:  # noqa: PERF203
            time.sleep(0.2)  # it is still starting
    assert source is not None
    while {type(each) for each in found} != {OfferedFrame, FaultyFrame} and len(found) < 500:
        found += taken(source, 1)
    source.close()
    broken = next(each for each in found if isinstance(each, FaultyFrame))
    whole = next(each for each in found if isinstance(each, OfferedFrame))
    assert "incomplete" in broken.why
    assert whole.image.shape == (512, 512, 1)


@pytest.mark.parametrize("code", FORMATS)
def test_every_pixel_format_keeps_grey_grey(code: int) -> None:
    form = FORMATS[code]
    value = 77
    width_bytes = 6 * form.planes * (2 if form.bits > 8 else 1)
    row = (
        np.full(6, value << (form.bits - 8), "<u2").view(np.uint8)
        if form.bits > 8
        else np.full(width_bytes, value, np.uint8)
    )
    raw = np.concatenate([np.append(row, [255, 255, 255]) for _ in range(4)])[:-3].astype(np.uint8)
    image = image_of_raw(raw, code, size=(4, 6), row_padding=3, pixels=PixelRule(channels=3))
    assert image.shape == (4, 6, 3)
    assert np.unique(image).tolist() == [value]


@pytest.mark.parametrize("code", [code for code, form in FORMATS.items() if form.bayer])
def test_raw_mosaics_are_taken_as_they_are_where_the_model_wants_them(code: int) -> None:
    raw = np.random.default_rng(1).integers(0, 256, 4 * 6, np.uint8)
    form = FORMATS[code]
    image = image_of_raw(raw, code, size=(4, 6), row_padding=0, pixels=PixelRule(channels=1, bayer=form.bayer))
    assert np.array_equal(image, raw.reshape(4, 6, 1))
    raw[:] = 0  # the camera fills its buffer again
    assert image.any()


def test_another_mosaic_than_the_models_is_refused_with_what_to_set() -> None:
    rule = PixelRule(channels=1, bayer="rggb")
    for code, name in ((0x01080008, "BayerGR8"), (0x01080001, "Mono8"), (0x02180014, "RGB8")):
        with pytest.raises(DataError, match=f"bayer rggb, got {name}; set pixel_format: BayerRG8"):
            image_of_raw(np.zeros(72, np.uint8), code, size=(4, 6), row_padding=0, pixels=rule)
    with pytest.raises(DataError, match="got a picture in colour; let it give raw frames"):
        image_of_bgr(np.zeros((4, 6, 3), np.uint8), rule)
    assert image_of_bgr(np.zeros((4, 6), np.uint8), rule).shape == (4, 6, 1)


@needs_aravis
def test_a_simulated_camera_gives_raw_mosaics() -> None:
    wanted = KIND.settings_type.model_validate(
        {"camera": "Fake_1", "pixel_format": "BayerRG8", "features": {"Width": 128, "Height": 96}, "frames_per_s": 100}
    )
    source = KIND.open(wanted, name="camera", pixels=PixelRule(channels=1, bayer="rggb"))
    found = taken(source, 1)
    source.close()
    assert isinstance(found[0], OfferedFrame)
    assert found[0].image.shape == (96, 128, 1)


def test_a_window_maps_a_cameras_levels_as_training_did() -> None:
    raw = np.array([0, 100, 1000, 4095], "<u2").view(np.uint8)
    rule = PixelRule(channels=1, window=(100, 1000))
    image = image_of_raw(raw, 0x01100005, size=(1, 4), row_padding=0, pixels=rule)
    assert image[0, :, 0].tolist() == [0, 0, 255, 255]


def test_a_buffer_that_is_too_short_is_never_read_beyond() -> None:
    with pytest.raises(DataError, match="got 23 bytes"):
        image_of_raw(np.zeros(23, np.uint8), 0x01080001, size=(4, 6), row_padding=0, pixels=PixelRule(channels=1))
    with pytest.raises(DataError, match="set pixel_format"):
        image_of_raw(np.zeros(24, np.uint8), 0x12345678, size=(4, 6), row_padding=0, pixels=PixelRule(channels=1))
