from __future__ import annotations

import json
import os

import pytest
from beltline.benchmarks.timing.timer import examine_timer
from beltline.studies.latency.own_cost import PERIODS_MS, lateness, loop_cost, main


def test_the_timed_part_is_a_part_of_what_a_frame_costs() -> None:
    cost = loop_cost(frames=200)
    assert 0 < cost.timed_ns <= cost.frame_ns


def test_every_frame_counts_as_late_by_what_it_was() -> None:
    found = lateness(0.5, examine_timer(frames=5), seconds=0.02)
    assert found.frames == 40
    assert 0 <= found.p50_us <= found.p99_us <= found.max_us


def test_the_table_has_a_line_for_each_period(capsys: pytest.CaptureFixture[str]) -> None:
    allowed = os.sched_getaffinity(0)
    try:
        assert main(["--cpu", str(min(allowed)), "--seconds", "0.02"]) == 0
        text = capsys.readouterr().out
        assert main(["--cpu", str(min(allowed)), "--seconds", "0.02", "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
    finally:
        os.sched_setaffinity(0, allowed)
    assert "Meanwhile: involuntary switches" in text
    assert all(f"| {period_ms:g} ms |" in text for period_ms in PERIODS_MS)
    assert [each["period_ms"] for each in facts["lateness"]] == list(PERIODS_MS)
    assert facts["disturbances"]["voluntary_switches"] > 0
