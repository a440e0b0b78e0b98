"""Watched folders: whole files only, the kernel's way and the way for network shares."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from threading import Timer
from typing import Any

import cv2
import numpy as np
import pytest
from beltline.inspection.base.errors import DataError, SourceError
from beltline.station.frames import FaultyFrame, NoticedFrame, OfferedFrame, PixelRule, Quiet, source_kinds
from beltline.station.sources import folder
from beltline.station.sources.folder import FolderSource

KIND = source_kinds()["folder"]


def opened(path: Path, **changes: Any) -> FolderSource:
    wanted = KIND.settings_type.model_validate({"path": path, **changes})
    return KIND.open(wanted, name="in", pixels=PixelRule(channels=1))  # type: ignore[return-value]


def write(path: Path, grey: int) -> None:
    assert cv2.imwrite(str(path), np.full((8, 12), grey, np.uint8))


def next_one(source: FolderSource) -> OfferedFrame | FaultyFrame:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        frame = source.next_frame(0.2)
        if not isinstance(frame, Quiet):
            return decoded(frame)
    raise AssertionError


def decoded(frame: NoticedFrame) -> OfferedFrame | FaultyFrame:
    """Decode a photograph as the station does."""
    facts = {"number": frame.number, "source": frame.source, "name": frame.name, "captured_ns": frame.captured_ns}
    try:
        return OfferedFrame(image=frame.load(1_000_000), **facts)
    except DataError as error:
        return FaultyFrame(why=str(error), **facts)


def parts(source: FolderSource, *, within_s: float = 0.3) -> list[str]:
    """Name every part that comes within a while."""
    until, names = time.monotonic() + within_s, []
    while time.monotonic() < until:
        if not isinstance(frame := source.next_frame(0.02), Quiet):
            names.append(decoded(frame).name)
    return names


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
    (inside := tmp_path / "in").mkdir()
    write(tmp_path / "secret.png", 3)
    source = opened(inside)
    (inside / "link.tmp").symlink_to(tmp_path / "secret.png")
    (inside / "link.tmp").rename(inside / "link.png")
    write(inside / "own.png", 4)
    frame = next_one(source)
    assert frame.name == "own.png"
    source.close()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be watched: No such file"):
        opened(tmp_path / "none")
    with pytest.raises(SourceError, match="is gone"):
        opened(tmp_path / "none", poll_ms=5)


def test_a_folder_that_goes_away_is_said(tmp_path: Path) -> None:
    (inside := tmp_path / "in").mkdir()
    source = opened(inside)
    inside.rmdir()
    with pytest.raises(SourceError, match="the folder is gone"):
        next_one(source)
    source.close()


BOTH = pytest.mark.parametrize("poll_ms", [None, 5])


@BOTH
@pytest.mark.parametrize("how", ["replaced", "overwritten", "removed"])
def test_a_name_that_is_used_again_is_another_part(tmp_path: Path, poll_ms: float | None, how: str) -> None:
    source = opened(tmp_path, poll_ms=poll_ms, then="remove" if how == "removed" else "leave")
    path = tmp_path / "latest.bmp"
    for number in range(20):
        if how == "replaced":
            (tmp_path / "next.tmp").write_bytes(bmp(number))
            (tmp_path / "next.tmp").replace(path)
        else:
            path.write_bytes(bmp(number))
        frame = next_one(source)
        assert isinstance(frame, OfferedFrame), frame
        assert (frame.number, int(frame.image.max())) == (number + 1, number)
        assert path.exists() == (how != "removed")
    assert parts(source) == []
    source.close()


def bmp(grey: int) -> bytes:
    return bytes(cv2.imencode(".bmp", np.full((8, 12), grey, np.uint8))[1])


@BOTH
def test_a_file_that_is_touched_or_written_again_is_one_part(tmp_path: Path, poll_ms: float | None) -> None:
    source = opened(tmp_path, poll_ms=poll_ms)
    path = tmp_path / "a.bmp"
    path.write_bytes(bmp(3))
    assert parts(source) == ["a.bmp"]
    path.touch()
    path.write_bytes(bmp(3))
    assert parts(source) == []
    with path.open("ab") as stream:
        stream.write(b"a note behind the pixels")
    assert parts(source) == []
    path.rename(tmp_path / "b.bmp")
    assert parts(source) == []
    path.write_bytes(bmp(4))
    assert parts(source) == ["a.bmp"]
    source.close()


@pytest.mark.parametrize("then", ["leave", "remove"])
def test_a_file_that_is_written_in_two_goes_is_one_whole_part(tmp_path: Path, then: str) -> None:
    source = opened(tmp_path, then=then)
    content = bmp(5)
    (tmp_path / "a.bmp").write_bytes(content[:40])
    frame = source.next_frame(1)
    assert isinstance(frame, NoticedFrame)
    finish = Timer(0.01, lambda: (tmp_path / "a.bmp").write_bytes(content))
    finish.start()
    whole = decoded(frame)
    assert isinstance(whole, OfferedFrame), whole
    assert int(whole.image.max()) == 5
    finish.join()
    assert parts(source) == []
    assert (tmp_path / "a.bmp").exists() == (then == "leave")
    source.close()


def test_a_faulty_file_that_is_finished_too_late_stays_one_part(tmp_path: Path) -> None:
    source = opened(tmp_path)
    content = bmp(5)
    for part in (b"", content[:40]):
        path = tmp_path / f"{len(part)}.bmp"
        path.write_bytes(part)
        assert isinstance(next_one(source), FaultyFrame)
        path.write_bytes(content)
        assert parts(source) == []
    source.close()


def test_a_temporary_name_that_looks_like_a_photograph_is_one_part(tmp_path: Path) -> None:
    source = opened(tmp_path)
    (tmp_path / "tmp.bmp").write_bytes(bmp(5))
    (tmp_path / "tmp.bmp").rename(tmp_path / "a.bmp")
    frame = next_one(source)
    assert isinstance(frame, OfferedFrame), frame
    assert frame.name == "a.bmp"
    (tmp_path / "tmp.bmp").write_bytes(bmp(6))
    frame = source.next_frame(1)
    assert isinstance(frame, NoticedFrame)
    (tmp_path / "tmp.bmp").rename(tmp_path / "b.bmp")
    assert source.next_frame(0.2) is Quiet.NOTHING_YET
    assert isinstance(decoded(frame), OfferedFrame)
    assert parts(source) == []
    source.close()


@BOTH
def test_folders_pipes_and_what_lay_there_are_no_parts(tmp_path: Path, poll_ms: float | None) -> None:
    (tmp_path / "old.bmp").write_bytes(bmp(1))
    source = opened(tmp_path, poll_ms=poll_ms)
    (tmp_path / "f.tmp").mkdir()
    (tmp_path / "f.tmp").rename(tmp_path / "folder.bmp")
    os.mkfifo(tmp_path / "p.tmp")
    (tmp_path / "p.tmp").rename(tmp_path / "pipe.bmp")
    (tmp_path / "old.bmp").rename(tmp_path / "older.bmp")
    assert parts(source) == []
    source.close()


def test_a_file_that_was_put_in_the_place_of_a_part_is_not_removed(tmp_path: Path) -> None:
    source = opened(tmp_path, then="remove")
    (tmp_path / "a.bmp").write_bytes(bmp(1))
    frame = source.next_frame(1)
    assert isinstance(frame, NoticedFrame)
    (tmp_path / "new.tmp").write_bytes(bmp(2))
    (tmp_path / "new.tmp").replace(tmp_path / "a.bmp")
    frame.dismiss()
    assert (tmp_path / "a.bmp").exists()
    assert parts(source) == ["a.bmp"]
    assert list(tmp_path.iterdir()) == []
    source.close()


def test_a_part_that_was_answered_before_it_was_decoded_is_removed_too(tmp_path: Path) -> None:
    source = opened(tmp_path, then="remove")
    (tmp_path / "a.bmp").write_bytes(bmp(1))
    frame = source.next_frame(1)
    assert isinstance(frame, NoticedFrame)
    frame.dismiss()
    assert not (tmp_path / "a.bmp").exists()
    source.close()


def test_names_are_not_remembered_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "MOST_REMEMBERED", 10)
    source = opened(tmp_path)
    for number in range(25):
        (tmp_path / f"{number}.bmp").write_bytes(bmp(number))
    assert len(parts(source)) == 25
    for number in range(25):
        (tmp_path / f"{number}.bmp").unlink()
    assert parts(source) == []
    assert (len(source._seen), len(source._moved)) == (0, 10)
    source.close()


def test_a_file_that_is_too_large_decoded_or_not_is_faulty(tmp_path: Path) -> None:
    source = opened(tmp_path)
    bomb = np.zeros((400, 400, 4), np.uint16)
    assert cv2.imwrite(str(tmp_path / "bomb.png"), bomb)
    assert (tmp_path / "bomb.png").stat().st_size < 20_000
    frame = next_one(source)
    assert isinstance(frame, FaultyFrame)
    assert "wanted at most 1 MB decoded, got 400 x 400 pixels of 8 bytes" in frame.why
    (tmp_path / "long.bmp").write_bytes(bmp(1) + bytes(4_000_000))
    frame = next_one(source)
    assert isinstance(frame, FaultyFrame)
    assert "wanted a file of at most" in frame.why
    source.close()


def test_descriptors_above_1023_are_watched_too(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        source = opened(tmp_path)
        write(tmp_path / "a.png", 3)
        assert isinstance(next_one(source), OfferedFrame)
        assert source.next_frame(0.01) is Quiet.NOTHING_YET
        source.close()
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_files_at_once_than_the_kernel_tells_of_are_all_parts(tmp_path: Path) -> None:
    source = opened(tmp_path)
    queued = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if queued > 20_000:
        pytest.skip(f"the kernel's queue takes {queued} files")
    for number in range(queued + 500):
        (tmp_path / f"{number:06}.bmp").touch()
    found: list[str] = []
    while not isinstance(frame := source.next_frame(0.2), Quiet):
        found.append(frame.name)
        frame.dismiss()
    assert sorted(found) == [f"{number:06}.bmp" for number in range(queued + 500)]
    source.close()


def test_a_folder_that_goes_while_it_is_opened_holds_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: Path) -> None:
        msg = "gone"
        raise SourceError(msg)

    monkeypatch.setattr(folder, "files_in", gone)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(SourceError):
            opened(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
