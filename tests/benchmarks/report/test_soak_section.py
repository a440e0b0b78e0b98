from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from beltline.benchmarks.report.files import soak_folder, soak_of
from beltline.benchmarks.report.page import Page
from beltline.benchmarks.report.reading import checked_report
from beltline.benchmarks.report.render import drawn_from, render_report
from beltline.benchmarks.report.sections.soak import SECTION, soak_chart
from beltline.benchmarks.soak.schema import SoakSummary
from beltline.inspection.base.errors import MeasurementError

Soak = Callable[..., SoakSummary]


@pytest.fixture
def soak() -> Soak:
    """Give a function that makes a soak's summary of so many points, steady from one of them on."""

    def make(points: int = 600, *, steady_from: int = 200, warm: bool = True, **changes: Any) -> SoakSummary:
        rows = [
            {"session": int(i >= 400), "at_s": 1.0 * i, "steady": i >= steady_from, "frames": 50, "p50_ms": 3.0,
             "p99_ms": 4.0 + (i % 7) / 10, "max_ms": 99.0 if i == 150 else 5.0, "misses": 3 * (i == 150),
             "temperature_c": 40 + 25 * (1 - np.exp(-i / 90)) if warm else None, "clock_mhz": None, "load_1min": 0.1,
             "throttle_events": None}
            for i in range(points)
        ]  # fmt: skip
        stretch = {"frames": 3000, "p50_ms": 3.0, "p99_ms": 4.0, "p999_ms": 5.0, "max_ms": 99.0, "misses": 3}
        session = {"index": 0, "began": "2026-03-14T09:26:53+00:00", "gap_before_s": None, "measured_s": 400.0,
                   "frames": 20_000, "cold": {"frames": 0, "first_ms": None, "max_ms": None},
                   "steady_from_s": 200.0}  # fmt: skip
        facts = {
            "schema": 1, "row": "student-32-int8", "artifact_digest": "sha256:0", "backend": "open_vino",
            "period_ms": 20.0, "frames_per_s": 50.0, "deadline_ms": 86.0,
            "gate": {"max": 0.001, "confidence": 0.99, "stall_ms": 100.0}, "asked_s": 1800.0,
            "measured_s": 1.0 * points, "complete": False, "device": {}, "sessions": [session, {**session, "index": 1}],
            "whole": stretch,
            "first_minute": stretch, "before_steady": stretch,
            "steady": {**stretch, "misses": 0} if steady_from < points else None, "miss_upper": 0.0009,
            "burst_frames": 1, "drift_ms": 0.0, "throttling": ["Hot."], "verdict": "fits",
            "reasons": ["In time.", "Hot."], "next_steps": [], "relative_error": 0.004, "trace": "t", "trace_bytes": 1,
            "point_s": 1.0, "points": rows,
        }  # fmt: skip
        return SoakSummary.model_validate({**facts, **changes})

    return make


def drawn(svg: str) -> ET.Element:
    assert not re.search(r"\b(nan|inf|None)\b", svg)
    return ET.fromstring(svg)


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [each for each in root.iter() if name in each.get("class", "").split()]


def test_what_is_not_judged_is_shaded_and_the_steady_point_named(soak: Soak) -> None:
    root = drawn(soak_chart(soak(), width=1040))
    (shaded,) = of_class(root, "doubtful")
    assert float(shaded.get("width", 0)) == pytest.approx((1040 - 14 - 52) / 3, abs=0.1)
    assert "steady from here" in "".join(root.itertext())
    never = drawn(soak_chart(soak(steady_from=600), width=1040))
    assert "steady from here" not in "".join(never.itertext())


def test_late_frames_are_marked_and_counted(soak: Soak) -> None:
    (mark,) = of_class(drawn(soak_chart(soak(), width=350)), "miss")
    assert "3 late frames" in (mark[0].text or "")


def test_a_strip_for_each_condition_that_the_device_shows(soak: Soak) -> None:
    texts = ["".join(drawn(soak_chart(soak(warm=warm), width=1040)).itertext()) for warm in (True, False)]
    assert [("temperature" in text) for text in texts] == [True, False]
    assert not any("clock" in text for text in texts)


def test_a_week_draws_no_more_than_an_hour(soak: Soak) -> None:
    hour, week = (len(soak_chart(soak(points), width=1040)) for points in (600, 6000))
    assert week < 2 * hour
    assert "days" not in soak_chart(soak(600), width=1040)
    assert soak_chart(soak(1), width=350)


def shown(report: dict[str, Any], soak: SoakSummary) -> dict[str, Any]:
    found = SECTION.show(Page(report=checked_report(report), traces={}, soak=soak))
    assert found is not None
    return dict(found)


def test_the_words_say_how_long_and_from_when_on(report: dict[str, Any], soak: Soak) -> None:
    part = shown(report, soak())
    assert "for 10 min of the 30 min asked for, in 2 sessions" in part["lead"]
    assert "From 3.33 min on the device was steady" in part["lead"]
    assert part["sentences"] == ["In time.", "Hot."]
    assert part["columns"] == ["First minute", "Before it was steady", "Steady", "Whole"]
    assert {line[0]: line[1:] for line in part["lines"]}["Late"] == ["3", "3", "0", "3"]
    assert "never became steady" in shown(report, soak(steady_from=600))["lead"]


def test_the_page_shows_the_soak_and_is_drawn_anew_after_one(report: dict[str, Any], soak: Soak) -> None:
    page = render_report(report, soak=soak())
    assert "The soak" in page
    assert "The soak" not in render_report(report)
    assert drawn_from(page, report, soak())
    assert not drawn_from(page, report, None)


def test_the_soak_of_a_row_is_found_by_its_name_and_only_of_what_it_runs(tmp_path: Path, soak: Soak) -> None:
    path = soak_folder(tmp_path, "v1.5") / "soak.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(soak().model_dump(mode="json", by_alias=True)))
    assert path.parent.name == "v1.5.soak"
    found = soak_of(tmp_path, ("v1.5@local", "v1.5"), artifact_digest="sha256:0")
    assert found is not None
    assert soak_of(tmp_path, ("v1.5",), artifact_digest="sha256:1") is None
    assert soak_of(tmp_path, ("other",), artifact_digest=None) is None
    path.write_text("{}")
    with pytest.raises(MeasurementError, match=r"soak\.json"):
        soak_of(tmp_path, ("v1.5",), artifact_digest=None)
