from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from beltline.benchmarks.report.files import keep_trace, trace_file, traces_of
from beltline.benchmarks.timing.measurement import Measurement, write_trace
from beltline.inspection.base.errors import MeasurementError, StorageError

Belt = Callable[..., Measurement]


@pytest.fixture
def trace(tmp_path: Path, belt: Belt) -> Path:
    path = tmp_path / "stages" / "1" / "trace.npz"
    write_trace(path, belt([3.0] * 50))
    return path


def test_a_trace_gets_its_rows_name_and_no_second_copy(tmp_path: Path, trace: Path) -> None:
    for _ in range(2):
        keep_trace(tmp_path, "small", trace, mode="belt")
    keep_trace(tmp_path, "small", trace, mode="back_to_back")
    assert trace.samefile(tmp_path / "traces" / "small.npz")
    assert sorted(path.name for path in (tmp_path / "traces").iterdir()) == ["small.back_to_back.npz", "small.npz"]
    assert list(tmp_path.glob(".*")) == []


def test_a_disk_without_links_gets_a_copy(tmp_path: Path, trace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    keep_trace(tmp_path, "small", trace, mode="belt")
    assert traces_of(tmp_path, ["small"])["small"].decided_ns.size == 50
    assert not trace.samefile(tmp_path / "traces" / "small.npz")


def test_a_newer_trace_takes_the_name_over(tmp_path: Path, trace: Path, belt: Belt) -> None:
    keep_trace(tmp_path, "small", trace, mode="belt")
    newer = tmp_path / "stages" / "2" / "trace.npz"
    write_trace(newer, belt([3.0] * 70))
    keep_trace(tmp_path, "small", newer, mode="belt")
    assert traces_of(tmp_path, ["small", "never measured"])["small"].decided_ns.size == 70
    assert trace.exists()


@pytest.mark.parametrize("row", ["../../etc/passwd", "..", "a/b", "/tmp/x", "a\0b", "a\\b"])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, row: str) -> None:
    with pytest.raises(MeasurementError, match="not a name"):
        trace_file(tmp_path, row)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, trace: Path) -> None:
    (tmp_path / "traces").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        keep_trace(tmp_path, "small", trace, mode="belt")
    assert list(tmp_path.glob(".*")) == []
