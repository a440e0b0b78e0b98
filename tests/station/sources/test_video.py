"""Video through OpenCV, and photographs shown at a pace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from beltline.inspection.base.errors import SourceError
from beltline.station.frames import FaultyFrame, OfferedFrame, PixelRule, Quiet, Source, source_kinds
from beltline.station.intake.capture import built_in
from pydantic import ValidationError

GREYS = (10, 90, 200)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "line.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 100.0, (64, 48))
    for grey in GREYS:
        writer.write(np.full((48, 64, 3), grey, np.uint8))
    writer.release()
    return path


def opened(kind: str, channels: int = 1, **settings: Any) -> Source:
    found = source_kinds()[kind]
    return found.open(found.settings_type.model_validate(settings), name=kind, pixels=PixelRule(channels=channels))


def taken(source: Source, most: int) -> list[OfferedFrame | FaultyFrame]:
    found: list[OfferedFrame | FaultyFrame] = []
    for _ in range(50 * most):
        frame = source.next_frame(0.1)
        if frame is Quiet.ENDED:
            break
        if not isinstance(frame, Quiet):
            found.append(frame)
        if len(found) == most:
            break
    source.close()
    return found


@pytest.mark.parametrize("channels", [1, 3])
def test_a_video_file_plays_to_its_end(video: Path, channels: int) -> None:
    found = taken(opened("video_file", channels, path=video), 10)
    images = [frame.image for frame in found if isinstance(frame, OfferedFrame)]
    assert [image.shape for image in images] == [(48, 64, channels)] * 3
    assert [float(image.mean()) for image in images] == pytest.approx(GREYS, abs=3)
    assert [frame.number for frame in found] == [1, 2, 3]


def test_a_video_file_may_loop(video: Path) -> None:
    assert len(taken(opened("video_file", path=video, period_ms=1, loop=True), 7)) == 7


def test_what_is_no_video_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="got none"):
        opened("video_file", path=tmp_path / "none.avi")
    with pytest.raises(SourceError, match="/dev/video255 cannot be opened"):
        opened("v4l2", device=255)


@pytest.mark.skipif(not built_in("GStreamer"), reason="this OpenCV was built without GStreamer, as PyPI's wheels are")
def test_a_pipeline_gives_frames() -> None:
    pipeline = "videotestsrc num-buffers=3 ! videoconvert ! video/x-raw,format=BGR,width=64,height=48 ! appsink"
    assert len(taken(opened("gstreamer", pipeline=pipeline, ends=True), 10)) == 3


def test_gstreamer_says_what_it_lacks() -> None:
    missing = source_kinds()["gstreamer"].missing()
    assert missing is None if built_in("GStreamer") else "python3-opencv" in (missing or "")
    with pytest.raises(ValidationError):
        opened("gstreamer", pipeline="videotestsrc ! autovideosink")


def test_photographs_are_replayed_broken_ones_included(tmp_path: Path) -> None:
    for name, grey in (("a.png", 5), ("c.png", 6)):
        cv2.imwrite(str(tmp_path / name), np.full((8, 8), grey, np.uint8))
    (tmp_path / "b.png").write_bytes(b"torn")
    found = taken(opened("replay", path=tmp_path, period_ms=1, frames=5), 10)
    assert [frame.name for frame in found] == ["a.png", "b.png", "c.png", "a.png", "b.png"]
    assert [isinstance(frame, FaultyFrame) for frame in found] == [False, True, False, False, True]
    with pytest.raises(SourceError, match="got none"):
        opened("replay", path=tmp_path / "none", period_ms=1)


def test_replayed_photographs_are_bounded_in_memory(tmp_path: Path) -> None:
    for number in range(9):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((1000, 500), number, np.uint8))
    cv2.imwrite(str(tmp_path / "00.png"), np.zeros((1500, 1500, 4), np.uint16))
    source = opened("replay", path=tmp_path, period_ms=1, keep_mb=2.0)
    found = taken(source, 10)
    source.close()
    assert isinstance(found[1], FaultyFrame)
    assert "wanted at most 2 MB decoded, got 1500 x 1500 pixels of 8 bytes" in found[1].why
    assert [frame.name for frame in found] == ["0.png", "00.png", "1.png", "2.png", "3.png"] * 2
