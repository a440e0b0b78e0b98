from __future__ import annotations

import numpy as np
import pytest
from beltline.studies.latency import comparing
from beltline.studies.latency.comparing import Times, ratio_of_medians


def test_every_way_is_timed_and_parted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(comparing, "SIZES", (64,))
    assert comparing.main(["--threads", "1", "--rounds", "8", "--backend", "onnx_runtime"]) == 0
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[1] for row in rows] == list(comparing.WAYS)
    for row in rows:
        whole, slowest, before, rest = (float(each) for each in row[2:6])
        assert 0 < before < whole <= slowest
        assert 0 < rest < slowest


def test_the_interval_lies_about_the_ratio_and_is_wider_for_unsteady_times() -> None:
    rng = np.random.default_rng(3)

    def times(median: float, spread: float) -> Times:
        return Times(whole_ms=rng.normal(median, spread, 200), pre_ms=np.zeros(200))

    steady, unsteady = (ratio_of_medians(times(3.0, each), times(2.0, each)) for each in (0.02, 0.4))
    for ratio, low, high in (steady, unsteady):
        assert low < ratio < high
    assert abs(steady[0] - 1.5) < 0.01
    assert unsteady[2] - unsteady[1] > 3 * (steady[2] - steady[1])
