"""Lines in files: whole, rotated, bounded, and again whole after a power failure or a full disk."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from beltline.inspection.base.errors import DeliveryError
from beltline.station.outcomes import Sink
from beltline.station.results.json_lines import RESULT, JsonLinesSettings
from station_parts import outcome


def opened(path: Path, **changes: Any) -> Sink:
    return RESULT.open(JsonLinesSettings(path=path, **changes))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_line_holds_what_was_decided_whatever_stands_in_a_name(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.jsonl"
    sink = opened(path)
    sink.send(outcome(number=1, name="zeile\n\u2028 ä\x00", answer="reject", score=0.75))
    sink.send(outcome(number=2, standing="late", score=None, detail="the deadline came first"))
    sink.close()
    first, second = lines(path)
    assert (first["number"], first["answer"], first["score"]) == (1, "reject", 0.75)
    assert first["name"] == "zeile\n\u2028 ä\x00"
    assert first["latency_ms"] == pytest.approx(3, abs=0.001)
    assert (second["score"], second["standing"], second["detail"]) == (None, "late", "the deadline came first")
    assert "captured_ns" not in first


def test_files_are_rotated_and_the_oldest_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    sink = opened(path, file_mb=0.001, files=3)
    for number in range(40):
        sink.send(outcome(number=number))
    sink.close()
    names = ["results.jsonl", "results.jsonl.1", "results.jsonl.2"]
    assert sorted(each.name for each in tmp_path.iterdir()) == names
    kept = [line["number"] for name in reversed(names) for line in lines(tmp_path / name)]
    assert kept == list(range(40 - len(kept), 40))
    assert all(each.stat().st_size <= 1000 for each in tmp_path.iterdir())


def test_one_file_alone_starts_again(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    sink = opened(path, file_mb=0.001, files=1)
    for number in range(20):
        sink.send(outcome(number=number))
    sink.close()
    assert [each.name for each in tmp_path.iterdir()] == ["results.jsonl"]
    assert lines(path)[-1]["number"] == 19


@pytest.mark.parametrize("torn", [b'{"number": 1}\n{"numb', b'{"numb', b'{"number": 1}\n'])
def test_a_torn_line_is_removed_before_the_next_is_written(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(torn)
    sink = opened(path)
    sink.send(outcome(number=2))
    sink.close()
    assert [line["number"] for line in lines(path)] == ([1, 2] if b"\n" in torn else [2])


def test_every_line_is_synced_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), sync(descriptor)))
    each, seldom = opened(tmp_path / "a", sync_s=0), opened(tmp_path / "b", sync_s=3600)
    for sink in (each, seldom):
        for number in range(5):
            sink.send(outcome(number=number))
    assert len(synced) == 5
    each.close()
    seldom.close()
    assert len(synced) == 7


@contextmanager
def no_room_beyond(size_bytes: int) -> Iterator[None]:
    """The kernel takes the bytes that fit and refuses the others, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    sink = opened(path, keep_s=0.2)
    sink.send(outcome(number=1))
    with no_room_beyond(path.stat().st_size + 20), pytest.raises(DeliveryError, match=r"File too large|the disk took"):
        sink.send(outcome(number=2))
    sink.send(outcome(number=3))
    sink.close()
    assert [line["number"] for line in lines(path)] == [1, 3]


def test_a_write_cut_short_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, write = tmp_path / "results.jsonl", os.write
    cut = iter([True])
    monkeypatch.setattr(os, "write", lambda to, raw: write(to, raw[:20] if next(cut, False) else raw))
    sink = opened(path)
    sink.send(outcome(number=1))
    sink.send(outcome(number=2))
    sink.close()
    assert [line["number"] for line in lines(path)] == [1, 2]


@pytest.mark.parametrize("failing", ["ftruncate", "pread", "fsync"])
def test_a_file_that_fails_again_and_again_holds_no_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fails(*_: Any) -> None:
        msg = "the disk is gone"
        raise OSError(5, msg)

    path = tmp_path / "r.jsonl"
    path.write_text("{}\n")
    sink = opened(path, keep_s=0.5, sync_s=0)
    held = Path("/proc/self/fd")
    before = len(list(held.iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fails)
        with pytest.raises(DeliveryError, match="the disk is gone"):
            sink.send(outcome(number=1))
    assert len(list(held.iterdir())) <= before
    sink.send(outcome(number=2))
    sink.close()
    assert lines(path)[-1]["number"] == 2
