"""Rejected frames on disk: bounded in number, size and pace, whole after anything, and never a reason to stop."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from beltline.inspection.base.errors import StorageError
from beltline.station.outcomes import Seen
from beltline.station.settings import RingSettings
from beltline.station.watching import reject_ring
from beltline.station.watching.reject_ring import RejectRing
from station_parts import outcome, rejected, seen


def ring_in(folder: Path, **changes: Any) -> RejectRing:
    return RejectRing(RingSettings(folder=folder, **{"keep_free_mb": 0, **changes}))


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_rejected_frame_is_kept_with_heatmap_and_score(tmp_path: Path) -> None:
    frame = rejected(7)
    ring_in(tmp_path).take(frame)
    (entry,) = tmp_path.iterdir()
    assert {path.name for path in entry.iterdir()} == {"frame.png", "heatmap.png", "outcome.json"}
    assert frame.image is not None
    np.testing.assert_array_equal(cv2.imread(str(entry / "frame.png"), cv2.IMREAD_UNCHANGED), frame.image[..., 0])
    assert frame.heatmap is not None
    np.testing.assert_array_equal(cv2.imread(str(entry / "heatmap.png"), cv2.IMREAD_UNCHANGED), frame.heatmap)
    facts = json.loads((entry / "outcome.json").read_text("utf-8"))
    assert (facts["number"], facts["score"], facts["answer"]) == (7, 0.75, "reject")


def test_boxes_are_drawn_in_a_picture_of_their_own_where_something_was_found(tmp_path: Path) -> None:
    """Boxes are in camera pixels; the kept image is a region of it."""
    found = {"kind": "pit", "box": [110.0, 205.0, 12.0, 8.0]}
    image = np.full((60, 80, 1), 90, np.uint8)
    made = outcome(answer="reject", score=0.9, findings=(found,))
    ring_in(tmp_path).take(Seen(outcome=made, image=image, heatmap=None, origin=(100, 190)))
    (entry,) = tmp_path.iterdir()
    drawn = cv2.imread(str(entry / "boxes.png"), cv2.IMREAD_UNCHANGED)
    changed = np.argwhere((drawn != 90).any(axis=2))
    left, top, right, bottom = 10 - 1, 15 - 1, 10 + 12 + 1, 15 + 8 + 1
    assert drawn[bottom, left:right].tolist() == [[255, 200, 0]] * (right - left)  # BGR, as cv2 reads it
    assert (changed[:, 0].max(), changed[:, 1].min()) == (bottom, left)
    assert (drawn[top + 1 : bottom, left + 1 : right] == 90).all()  # nothing covers the defect
    np.testing.assert_array_equal(cv2.imread(str(entry / "frame.png"), cv2.IMREAD_UNCHANGED), image[..., 0])


def test_colours_stay_what_they_are(tmp_path: Path) -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 0] = 200
    ring_in(tmp_path).take(seen(outcome(answer="reject"), image=image))
    blue, _, red = cv2.imread(str(tmp_path / "000000001" / "frame.png"))[0, 0]
    assert (red, blue) == (200, 0)
    assert not (tmp_path / "000000001" / "heatmap.png").exists()


def test_passed_frames_and_frames_without_pixels_are_not_kept(tmp_path: Path) -> None:
    ring = ring_in(tmp_path)
    ring.take(seen(outcome(), image=np.zeros((4, 4, 1), np.uint8)))
    ring.take(seen(outcome(answer="reject", standing="faulty", score=None), image=None))
    assert entries(tmp_path) == []


def test_the_oldest_give_way_in_number(tmp_path: Path) -> None:
    ring = ring_in(tmp_path, frames=3)
    for number in range(5):
        ring.take(rejected(number))
    assert entries(tmp_path) == ["000000003", "000000004", "000000005"]
    tally = ring.tally()
    assert (tally.kept, tally.stored, tally.skipped) == (3, 5, 0)


def test_the_oldest_give_way_in_size(tmp_path: Path) -> None:
    ring = ring_in(tmp_path, size_mb=0.02)
    for number in range(20):
        ring.take(rejected(number, side=64))
    on_disk = sum(path.stat().st_size for path in tmp_path.rglob("*.*") if path.is_file())
    assert on_disk == ring.tally().size_bytes <= 20_000
    assert 2 <= ring.tally().kept < 20


def test_a_flood_is_counted_and_not_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [1000.0]
    monkeypatch.setattr(reject_ring.time, "monotonic", lambda: now_s[0])
    ring = ring_in(tmp_path, frames_a_minute=4)
    for number in range(10):
        ring.take(rejected(number))
    assert (ring.tally().stored, ring.tally().skipped) == (4, 6)
    now_s[0] += 60
    ring.take(rejected(11))
    assert ring.tally().stored == 5


def test_it_goes_on_after_a_restart_and_clears_away_what_was_half_written(tmp_path: Path) -> None:
    ring = ring_in(tmp_path, frames=3)
    for number in range(3):
        ring.take(rejected(number))
    (tmp_path / ".000000004.abc.tmp").mkdir()
    (tmp_path / ".000000004.abc.tmp" / "frame.png").write_bytes(b"half")
    (tmp_path / "somebody's notes.txt").write_text("stay")
    again = ring_in(tmp_path, frames=3)
    assert again.tally().size_bytes == ring.tally().size_bytes
    again.take(rejected(9))
    assert entries(tmp_path) == ["000000002", "000000003", "000000004", "somebody's notes.txt"]


def test_nearly_full_disks_are_left_alone(tmp_path: Path) -> None:
    ring = ring_in(tmp_path, keep_free_mb=1_000_000)
    with pytest.raises(StorageError, match="rejected frames are not kept"):
        ring.take(rejected(1))
    assert entries(tmp_path) == []


def test_a_disk_that_fills_up_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = ring_in(tmp_path)
    ring.take(rejected(1))

    def no_space(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", no_space)
        with pytest.raises(StorageError, match="No space left"):
            ring.take(rejected(2))
    ring.take(rejected(3))
    assert entries(tmp_path) == ["000000001", "000000002"]


def test_a_folder_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="name another folder"):
        ring_in(tmp_path / "file" / "ring")
