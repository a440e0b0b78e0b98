from __future__ import annotations

import pytest
from beltline.studies.latency import mosaics


def test_every_way_to_colour_is_timed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(mosaics, "CAMERAS", (((256, 384), (64, 96)),))
    assert mosaics.main(["--rounds", "2"]) == 0
    head, _, row = capsys.readouterr().out.splitlines()
    assert all(way in head for way in mosaics.WAYS)
    assert row.startswith("| 256 x 384 -> 64 x 96 | ")
    assert row.count("(") == len(mosaics.WAYS)
