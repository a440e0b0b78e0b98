from __future__ import annotations

from pathlib import Path

import pytest
from beltline.inspection.base.errors import StorageError
from beltline.station.versions.commit_mark import FILE, CommitMark


def test_a_mark_is_there_from_its_beginning_until_it_is_committed(tmp_path: Path) -> None:
    mark = CommitMark(tmp_path, root=Path("/opt/left"))
    assert mark.uncommitted() is None
    mark.begin(7)
    assert CommitMark(tmp_path, root=Path("/opt/left")).uncommitted() == 7
    assert CommitMark(tmp_path, root=Path("/opt/right")).uncommitted() is None
    mark.commit()
    mark.commit()
    assert mark.uncommitted() is None


@pytest.mark.parametrize("content", [b"", b"7", b"-1\n/opt\n", b"7\n/opt", b"\xff\n/opt\n", b"x" * 10_000])
def test_a_damaged_mark_is_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert CommitMark(tmp_path, root=Path("/opt")).uncommitted() is None


def test_without_a_folder_nothing_is_remembered(tmp_path: Path) -> None:
    mark = CommitMark(None, root=tmp_path)
    mark.begin(1)
    mark.commit()
    assert mark.uncommitted() is None
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(StorageError, match="taken"):
        CommitMark(tmp_path / "taken", root=tmp_path).begin(1)
