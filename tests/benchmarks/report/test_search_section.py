from __future__ import annotations

from typing import Any

import pytest
from beltline.benchmarks.report.page import Page
from beltline.benchmarks.report.reading import checked_report
from beltline.benchmarks.report.render import render_report
from beltline.benchmarks.report.sections.search import SECTION, search_points
from beltline.inspection.base.errors import DataError


def trial(number: int, name: str, /, **changes: Any) -> dict[str, Any]:
    facts = {"p99_ms": 1.0 + number, "escapes": 10 + number, "defects": 300, "increase": 0.0, "auroc": 0.9}
    kept = {"number": number, "name": name, "words": f"plain width {8 + number}, int8", "ending": "whole"}
    return {**kept, **facts, "epochs": 16, "holds": True, **changes}


def search_part(report: dict[str, Any]) -> Any:
    return SECTION.show(Page(report=checked_report(report), traces={}))


@pytest.fixture
def searched(report: dict[str, Any]) -> dict[str, Any]:
    """The example report, two of its candidates found by a search."""
    names = [row["name"] for row in report["rows"] if row["role"] == "candidate"][:2]
    trials = [trial(0, names[0], is_row=True, on_edge=True), trial(1, names[1], is_row=True)]
    trials.append(trial(2, "trial-02", holds=False, on_edge=True, escapes=200))
    trials.append(trial(3, "trial-03", ending="stopped", holds=False, epochs=2))
    missing = dict.fromkeys(("p99_ms", "escapes", "defects", "increase", "auroc", "epochs"))
    trials.append(trial(4, "trial-04", ending="failed", holds=False, error="the loss became nan", **missing))
    search = {"trials": trials, "rungs": [2, 6, 16], "asked_trials": 5, "asked_minutes": 60.0, "spent_minutes": 12.5}
    return {**report, "search": search}


def test_the_page_tells_what_was_tried_and_why_one_was_chosen(searched: dict[str, Any]) -> None:
    part = search_part(searched)
    assert part is not None
    assert "5 trials in 12.5 minutes" in part["lead"]
    assert "3 trained to the end, 1 stopped at a rung, 1 failed" in part["lead"]
    assert [line[0] for line in part["lines"]] == [trial["name"] for trial in searched["search"]["trials"][:3]]
    assert part["left_out"] == "2 more trials came less far."
    page = render_report(searched)
    assert "Why this one" in page
    assert "caught" in page


def test_why_names_the_selected_row_and_each_other(searched: dict[str, Any]) -> None:
    names = [each["name"] for each in searched["search"]["trials"][:2]]
    chosen = search_part({**searched, "selected": names[0]})
    assert chosen is not None
    assert chosen["why"][0].startswith(f"{names[0]} was chosen")
    assert any(sentence.startswith(names[1]) for sentence in chosen["why"])
    none = search_part({**searched, "selected": None})
    assert none is not None
    assert "None of the 2 trials that became rows was chosen" in none["why"][0]


def test_marks_say_how_far_a_trial_came(searched: dict[str, Any]) -> None:
    search = checked_report(searched).search
    assert search is not None
    points = search_points(search)
    assert [point.verdict for point in points] == ["fits", "fits", "misses", "inconclusive"]
    assert points[0].auroc == pytest.approx(1 - 10 / 300)
    assert points[0].interval[0] < points[0].auroc < points[0].interval[1]
    assert [point.selected for point in points] == [True, True, False, False]


def test_the_chart_compares_trials_by_the_time_that_all_of_them_have(searched: dict[str, Any]) -> None:
    on_the_belt = searched["search"]["trials"][0]
    on_the_belt |= {"back_to_back_p99_ms": on_the_belt["p99_ms"] / 3}
    search = checked_report(searched).search
    assert search is not None
    assert search_points(search)[0].latency_ms == on_the_belt["p99_ms"] / 3
    part = search_part(searched)
    assert part is not None
    assert part["lines"][0][2].startswith("1.00")


def test_a_report_without_a_search_has_no_such_part(report: dict[str, Any]) -> None:
    assert search_part(report) is None
    assert "The search" not in render_report(report)


def test_more_escapes_than_defects_are_refused(searched: dict[str, Any]) -> None:
    searched["search"]["trials"][0]["escapes"] = 301
    with pytest.raises(DataError, match="escapes must be at most defects"):
        checked_report(searched)
