from __future__ import annotations

from typing import Any

import pytest
from beltline.benchmarks.report.reading import checked_report
from beltline.benchmarks.report.schema_parts import Circumstances
from beltline.benchmarks.report.sections.notes import describe_circumstances, notes
from beltline.inspection.base.errors import DataError


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("involuntary_switches", 12, "taken away from the model 12 times for other work"),
        ("steal_ms", 1450.0, "ran something else for 1,450 ms"),
        ("quota_stopped_ms", 300.0, "stood still for 300 ms because its share"),
        ("throttle_events", 1.0, "slowed by heat 1 time"),
        ("major_page_faults", 3, "read back from disk 3 times"),
    ],
)
def test_each_disturbance_is_told(name: str, value: float, message: str) -> None:
    text = describe_circumstances(Circumstances.model_validate({"disturbances": {name: value}}))
    assert message in text
    assert "no frame was left out" in text


def test_a_quiet_run_and_a_system_that_counts_nothing_say_no_more_than_that() -> None:
    nothing = {"disturbances": {"steal_ms": None, "involuntary_switches": 0}}
    text = describe_circumstances(Circumstances.model_validate(nothing))
    assert text == "Nothing that this system counts came between while its frames were judged."


def test_warmth_and_clock_are_told_from_before_to_after() -> None:
    found = {"before": {"temperature_c": 41.2, "clock_mhz": 3600}, "after": {"temperature_c": 78.9, "clock_mhz": 2100}}
    text = describe_circumstances(Circumstances.model_validate(found))
    assert "from 41 to 79 °C" in text
    assert "from 3,600 to 2,100 MHz" in text


def test_the_page_notes_it_for_the_row_shown(report: dict[str, Any]) -> None:
    report["rows"][3]["circumstances"] = {"disturbances": {"involuntary_switches": 7}, "timer": None}
    found = {note.title: note.text for note in notes(checked_report(report))}
    assert "7 times" in found["Was the device left alone?"]


def test_a_count_below_zero_is_refused(report: dict[str, Any]) -> None:
    report["rows"][3]["circumstances"] = {"disturbances": {"steal_ms": -5}}
    with pytest.raises(DataError, match="steal_ms"):
        checked_report(report)
