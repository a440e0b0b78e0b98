from __future__ import annotations

import pytest
from beltline.studies.latency import cameras


def test_every_way_to_a_network_is_timed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cameras, "CAMERAS", (((260, 390, 1), (64, 96)),))
    assert cameras.main(["--threads", "1", "--rounds", "2", "--backends", "onnx_runtime"]) == 0
    head, _, row = capsys.readouterr().out.splitlines()[2:5]
    assert all(way in head for way in cameras.WAYS)
    cells = row.strip("| ").split(" | ")
    assert cells[:2] == ["onnx_runtime", "260x390x1 -> 64x96"]
    assert all(float(each) > 0 for each in cells[2:])
