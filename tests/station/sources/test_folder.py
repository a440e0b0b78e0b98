"""Watched folders: whole files only, the kernel's way and the way for network shares."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from beltline.inspection.base.errors import SourceError
from beltline.station.frames import FaultyFrame, OfferedFrame, Quiet, source_kinds
from beltline.station.sources.folder import FolderSource

KIND = source_kinds()["folder"]


def opened(folder: Path, **changes: Any) -> FolderSource:
    return KIND.open(KIND.settings_type.model_validate({"path": folder, **changes}), name="in", channels=1)  # type: ignore[return-value]


def write(path: Path, grey: int) -> None:
    assert cv2.imwrite(str(path), np.full((8, 12), grey, np.uint8))


def next_one(source: FolderSource) -> OfferedFrame | FaultyFrame:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        frame = source.next_frame(0.2)
        if not isinstance(frame, Quiet):
            return frame
    raise AssertionError


@pytest.mark.parametrize("poll_ms", [None, 5])
def test_files_become_frames_as_they_come(tmp_path: Path, poll_ms: float | None) -> None:
    write(tmp_path / "old.png", 1)
    source = opened(tmp_path, poll_ms=poll_ms)
    (tmp_path / "notes.txt").write_text("no picture")
    write(tmp_path / "a.png", 7)
    first = next_one(source)
    (tmp_path / "b.bmp.tmp").write_bytes((tmp_path / "old.png").read_bytes())
    (tmp_path / "b.bmp.tmp").rename(tmp_path / "b.bmp")
    second = next_one(source)
    assert isinstance(first, OfferedFrame)
    assert (first.name, first.number, first.source, first.image.shape) == ("a.png", 1, "in", (8, 12, 1))
    assert int(first.image.max()) == 7
    assert isinstance(second, OfferedFrame)
    assert (second.name, second.number) == ("b.bmp", 2)
    assert first.captured_ns < second.captured_ns <= time.monotonic_ns()
    assert source.next_frame(0.05) is Quiet.NOTHING_YET
    source.close()


def test_a_broken_file_is_a_faulty_frame_and_stays(tmp_path: Path) -> None:
    source = opened(tmp_path, then="remove")
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\nhalf")
    frame = next_one(source)
    assert isinstance(frame, FaultyFrame)
    assert "torn.png" in frame.why
    write(tmp_path / "whole.png", 9)
    assert isinstance(next_one(source), OfferedFrame)
    assert [each.name for each in tmp_path.iterdir()] == ["torn.png"]
    source.close()


def test_links_lead_nowhere(tmp_path: Path) -> None:
    (folder := tmp_path / "in").mkdir()
    write(tmp_path / "secret.png", 3)
    source = opened(folder)
    (folder / "link.tmp").symlink_to(tmp_path / "secret.png")
    (folder / "link.tmp").rename(folder / "link.png")
    write(folder / "own.png", 4)
    frame = next_one(source)
    assert frame.name == "own.png"
    source.close()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be watched: No such file"):
        opened(tmp_path / "none")
    with pytest.raises(SourceError, match="is gone"):
        opened(tmp_path / "none", poll_ms=5)


def test_a_folder_that_goes_away_is_said(tmp_path: Path) -> None:
    (folder := tmp_path / "in").mkdir()
    source = opened(folder)
    folder.rmdir()
    with pytest.raises(SourceError, match="the folder is gone"):
        next_one(source)
    source.close()
