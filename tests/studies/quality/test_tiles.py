from __future__ import annotations

import io
from pathlib import Path

import pytest
from beltline.inspection.synthetic.camera import Camera
from beltline.studies.quality import tiles


def test_a_line_is_trained_on_both_ways_and_told_in_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "CAMERAS", {"line_8k": Camera(width=320, height=128, lines=True)})
    out = io.StringIO()
    wanted = "--parts 60 --defect-px 8 24 --epochs 1 --views 32 --width 8 --tile 64 --scale 0.5 --shrunk 64 96"
    tiles.main([str(tmp_path / "data"), "--work", str(tmp_path / "work"), *wanted.split()], out)
    head, _, *rows = out.getvalue().splitlines()
    assert head.startswith("| way | test AUROC")
    assert [row.split(" | ")[0] for row in rows] == ["| tiles of 64 at scale 0.5", "| shrunk to (64, 96)"]
    assert all(" of 6 (" in row and "px" in row for row in rows)
