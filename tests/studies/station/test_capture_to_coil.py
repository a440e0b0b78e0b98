"""Every frame's coil is found, and the time to it is more than the station's own and less than the run's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from beltline.studies.station.capture_to_coil import main

pytest.importorskip("pymodbus")


def test_every_frame_has_its_coil(bundle: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(bundle.path), "--frames", "60", "--period-ms", "10", "--deadline-ms", "30000"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["frames"], facts["lost"], facts["standings"]) == (60, 0, {"answered": 60})
    assert 0 < facts["coil_ms"]["p50"] <= facts["coil_ms"]["p99"] <= facts["coil_ms"]["max"] < 30_000
    assert facts["coil_ms"]["p50"] <= facts["number_ms"]["p50"]


def test_a_bundle_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["/no/such.beltline"]) == 2
    assert "cannot be read" in capsys.readouterr().err
