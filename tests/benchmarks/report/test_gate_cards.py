from __future__ import annotations

from typing import Any

import pytest
from beltline.benchmarks.report.gate_cards import gate_cards
from beltline.benchmarks.report.reading import checked_report


def test_every_camera_counts_in_the_frames_of_an_hour(report: dict[str, Any]) -> None:
    three_cameras = {**report, "budget": {**report["budget"], "frames_per_s": 3_000 / report["budget"]["period_ms"]}}
    one, three = (checked_report(each) for each in (report, three_cameras))
    assert three.budget.frames_per_hour == pytest.approx(3 * one.budget.frames_per_hour)
    sentence = gate_cards(three, three.rows[3])[0].sentence
    assert f"of {round(three.budget.frames_per_hour):,} frames an hour" in sentence
