import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from beltline.benchmarks.report import render
from beltline.benchmarks.report.decision import overall_verdict, row_cautions, shown_row
from beltline.benchmarks.report.gallery import GalleryItem
from beltline.benchmarks.report.reading import checked_report
from beltline.benchmarks.report.render import render_report
from beltline.benchmarks.report.sections.budget import budget_figure
from beltline.benchmarks.report.sections.devices import device_table
from beltline.benchmarks.report.sections.notes import proof_table
from beltline.benchmarks.report.table import summary_rows
from beltline.benchmarks.timing.measurement import Measurement
from beltline.inspection.base.errors import DataError

Rejudged = Callable[[dict[str, Any]], dict[str, Any]]

VOID = {"meta", "link", "img"}


class Page(HTMLParser):
    """Collects text, pictures and tags, and refuses tags that are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.text, self.tags, self.attributes = [], "", [], []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data.replace("\xa0", " ") if self.open[-1:] != ["style"] else ""


def undecided(report: dict[str, Any], verdict: str) -> dict[str, Any]:
    report["selected"] = None
    for row in report["rows"]:
        row["verdict"] = verdict
    return report


def test_the_verdict_comes_first(
    report: dict[str, Any], gallery: list[GalleryItem], traces: dict[str, Measurement]
) -> None:
    page = Page(render_report(report, gallery, traces))
    notified = [
        "Ready for the line",
        "Use student-32-int8",
        "Decided in time",
        "What to do next",
        "Where the milliseconds go",
    ]
    places = [page.text.index(expected) for expected in notified]
    assert places == sorted(places)
    assert page.tags.count("h1") == 1


@pytest.mark.parametrize(
    ("verdict", "heading"), [("misses", "Not ready for the line"), ("inconclusive", "Not proven yet")]
)
def test_without_a_selected_row_the_heading_says_so(report: dict[str, Any], verdict: str, heading: str) -> None:
    page = Page(render_report(undecided(report, verdict)))
    assert heading in page.text
    assert "Ready for the line" not in page.text


def test_next_steps_of_the_report_are_taken(report: dict[str, Any]) -> None:
    report["rows"][3]["next_steps"] = ["Sign here."]
    page = Page(render_report(report))
    assert "Sign here." in page.text


def test_every_row_and_wrong_decision_is_on_the_page(
    report: dict[str, Any], gallery: list[GalleryItem], traces: dict[str, Measurement]
) -> None:
    page = Page(render_report(report, gallery, traces))
    for row in report["rows"]:
        assert row["name"] in page.text
    for item in gallery:
        assert item.path in page.text
    assert "2 of 21 shown" in page.text
    assert "1 of 61 shown" in page.text
    assert "caught by the teacher" in page.text


def test_the_page_needs_nothing_from_outside(
    report: dict[str, Any], gallery: list[GalleryItem], traces: dict[str, Measurement]
) -> None:
    html = render_report(report, gallery, traces)
    page = Page(html)
    assert "script" not in page.tags
    assert not re.search(r"url\(|@import|https?://", html)
    links = [value for _, name, value in page.attributes if name in ("src", "href", "srcset", "xlink:href")]
    assert all(value.startswith("data:") for value in links)
    assert len(html) < 5_000_000


def test_every_picture_and_chart_says_what_it_shows(
    report: dict[str, Any], gallery: list[GalleryItem], traces: dict[str, Measurement]
) -> None:
    page = Page(render_report(report, gallery, traces))
    alternatives = [value for tag, name, value in page.attributes if tag == "img" and name == "alt"]
    assert len(alternatives) == page.tags.count("img") == 2 * len(gallery)
    assert all(alternatives)
    labels = [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-label"]
    hidden = [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-hidden"]
    assert len(labels) + len(hidden) == page.tags.count("svg")
    assert all(labels)


def test_text_from_data_is_escaped(report: dict[str, Any], gallery: list[GalleryItem]) -> None:
    evil = "<script>alert(1)</script>\"'&"
    report["data"]["name"] = report["device"]["name"] = report["device"]["cpu"] = report["started"] = evil
    report["cautions"] = [evil]
    report["data"]["notes"] = [evil]
    report["budget"]["fixed_parts_ms"] = {evil: 3.0}
    for row in report["rows"]:
        row.update(recipe=[evil], backend=evil, reasons=[evil], next_steps=[evil])
        row["quality"]["by_kind"] = [{"name": evil, "count": 1, "of": 2, "upper": 0.9}]
        for finding in row["gates"].values():
            finding.update(title=evil, seen=evil, proven=evil, detail=evil)
    report["rows"][3]["name"] = report["selected"] = evil
    object.__setattr__(gallery[0], "path", evil)
    object.__setattr__(gallery[0], "label", evil)
    html = render_report(report, gallery)
    assert "<script" not in html
    assert "script" not in Page(html).tags


def test_a_gate_is_shown_in_the_words_of_its_finding(report: dict[str, Any], rejudged: Rejudged) -> None:
    for each in undecided(report, "misses")["rows"]:
        each["quality"]["overkill"] = {"count": 400, "of": 2112, "upper": 0.21}
    rejudged(report)
    row = shown_row(checked_report(report)).model_dump()
    text = Page(render_report(report)).text
    assert [each["outcome"] for each in row["gates"].values()] == ["fits", "fits", "misses"]
    for finding in row["gates"].values():
        assert finding["title"] in text
        assert finding["seen"] in text
        assert finding["proven"][1:] in text.replace("\xa0", " ")
    assert re.search(r"Good parts kept\s*missed", text)


def test_the_closest_row_is_shown_where_none_fits(report: dict[str, Any], rejudged: Rejudged) -> None:
    rows = undecided(report, "misses")["rows"]
    for row in rows:
        row["quality"]["overkill"] = {"count": 400, "of": 2112, "upper": 0.21}
    rows[2]["quality"]["overkill"] = {"count": 61, "of": 2112, "upper": 0.035}
    rejudged(report)
    assert shown_row(checked_report(report)).name == "student-32"


def test_a_fitting_row_that_was_not_selected_does_not_make_the_page_fit(report: dict[str, Any]) -> None:
    report["selected"] = None
    assert overall_verdict(checked_report(report)) == "inconclusive"


def test_what_no_escape_proves_is_said(report: dict[str, Any]) -> None:
    assert [seen.split()[-1] for seen, _ in proof_table()] == ["60", "109", "300", "1,000"]
    assert [share.replace("\xa0", " ") for _, share in proof_table()] == ["4.87 %", "2.71 %", "0.99 %", "0.3 %"]
    report["rows"][3]["quality"]["escape"] = {"count": 0, "of": 60, "upper": 0.0487}
    text = Page(render_report(report)).text
    assert "What do 0 of 60 escapes prove?" in text
    assert "lets 4.87 % of all defects through would show so few at most once in 20 such tests" in text
    assert "takes 4,603 frames without one late decision" in text


def test_too_few_frames_are_answered_with_the_number_needed(report: dict[str, Any], rejudged: Rejudged) -> None:
    rows = undecided(report, "inconclusive")["rows"]
    for row in rows:
        row["latency_ms"].update(frames=1000, misses=1, miss_upper=0.0066)
    rejudged(report)
    for row in rows:
        row["next_steps"] = [row["gates"]["deadline_miss"]["next_step"]]
    assert "Measure at least 6,427 more frames in one run, 7,427 in all" in Page(render_report(report)).text


def test_a_report_with_a_lone_unmeasured_teacher_renders(report: dict[str, Any]) -> None:
    bare = {"name": "t", "role": "teacher", "backend": "torch_eager", "precision": "fp32", "verdict": "inconclusive"}
    report.update(rows=[bare], selected=None, gates=None)
    assert "nothing can be said" in Page(render_report(report)).text


def test_no_wrong_decision_is_said_too(report: dict[str, Any]) -> None:
    report["rows"][3]["quality"]["escape"]["count"] = report["rows"][3]["quality"]["overkill"]["count"] = 0
    assert "no defect of the test was let through" in Page(render_report(report)).text


def test_steadiness_and_device_conditions_are_shown(report: dict[str, Any]) -> None:
    row = report["rows"][3]
    row["latency_ms"]["steadiness"] = {
        "autocorrelation": 0.1,
        "drift_p_value": 0.4,
        "drift_ms": 0.02,
        "cluster_frames": 1.2,
    }
    report["device"]["conditions"] = {"temperature_c": 61.5, "clock_mhz": None}
    text = Page(render_report(report)).text
    for expected in ("Was the run steady?", "Temperature c 61.5"):
        assert expected in text


def test_time_at_the_belts_pace_that_no_part_explains_is_waiting(report: dict[str, Any]) -> None:
    report["rows"][3]["latency_ms"].update(p50=4.0, pre=0.2, post=0.1, engine=2.7)
    figure = budget_figure(checked_report(report))
    assert figure is not None
    lengths = {part.name: part.length_ms for part in figure.parts}
    assert lengths["engine"] == 2.7
    assert lengths["waiting"] == pytest.approx(1.0)


def test_models_are_compared_one_by_one_since_a_slow_one_queues_up(report: dict[str, Any]) -> None:
    for row, time_ms in zip(report["rows"], (60.0, 30.0, 5.0, 2.0, 1.0, 80.0), strict=True):
        row["back_to_back_ms"] = {"p50": time_ms}
    report["rows"][0]["latency_ms"]["p50"] = 3300.0
    page = Page(render_report(report))
    assert "30\u00d7 faster" in page.text
    assert "typical time of one decision, ms" in page.text


def test_times_taken_in_turns_count_before_those_taken_apart(report: dict[str, Any]) -> None:
    for row, apart_ms, interleaved_ms in zip(
        report["rows"], (60.0, 30, 5, 2, 1, 80), (48.0, 30, 5, 2, 1, 80), strict=True
    ):
        row["back_to_back_ms"], row["interleaved_ms"] = {"p50": apart_ms}, {"p50": interleaved_ms}
    times = {"ratio": 24.1, "lower": 22.0, "upper": 26.0, "confidence": 0.95}
    report["rows"][3]["speedup"] = {"against": "teacher", "p50": times, "p99": times}
    text = Page(render_report(report)).text
    assert "One decision, interleaved" in text
    assert "24\u00d7 faster" in text
    assert "30\u00d7 faster" not in text


def test_cautions_stand_beside_the_verdict(report: dict[str, Any]) -> None:
    assert "Mind:" not in Page(render_report(report)).text
    report["cautions"] = ["The teacher may be useless."]
    assert "Mind: The teacher may be useless." in Page(render_report(report)).text


def test_a_poor_teacher_is_pointed_out(report: dict[str, Any]) -> None:
    teacher, row = report["rows"][0], report["rows"][3]
    checked = checked_report(report)
    assert row_cautions(checked.rows[3], checked.rows[0]) == []
    teacher["quality"].update(auroc=0.52, auroc_interval=[0.47, 0.57])
    row["quality"]["escape"] = {"count": 444, "of": 888, "upper": 0.53}
    checked = checked_report(report)
    text = " ".join(row_cautions(checked.rows[3], checked.rows[0]))
    assert "the teacher may sort no better than a coin toss" in text
    assert "444 of 888 defects in the test get through, 50 % of them" in text
    assert len(row_cautions(checked.rows[0], checked.rows[0])) == 1


def test_evidence_against_a_row_is_not_called_promising(report: dict[str, Any], rejudged: Rejudged) -> None:
    undecided(report, "inconclusive")["rows"][3]["quality"]["paired"].update(increase=0.03, increase_upper=0.06)
    for row in report["rows"][1:3] + report["rows"][4:]:
        row["verdict"] = "misses"
    rejudged(report)
    assert "what was seen so far speaks against it" in Page(render_report(report)).text


def test_a_wrong_report_is_refused(report: dict[str, Any]) -> None:
    del report["budget"]
    with pytest.raises(DataError, match="budget: is missing"):
        render_report(report)


def test_the_belts_highest_speed_is_told_as_a_prediction(predicted: dict[str, Any]) -> None:
    text = Page(render_report(predicted)).text
    for expected in ("How fast the belt may run", "predicted", "As far as it has seen", "decides nothing: measure"):
        assert expected in text
    for sentence in predicted["rows"][3]["what_if"]["assumed"]:
        assert sentence in text


def test_a_what_if_that_is_not_marked_as_predicted_is_refused(predicted: dict[str, Any]) -> None:
    predicted["rows"][3]["what_if"]["predicted"] = False
    with pytest.raises(DataError, match="predicted"):
        render_report(predicted)


def test_models_on_several_devices_stand_side_by_side(report: dict[str, Any]) -> None:
    report["devices"] = [report["device"], {"name": "jetson", "cpu": "Cortex-A78AE"}]
    report["rows"][2].update(name="student-32@jetson", device="jetson")
    report["rows"][3].update(name="student-32@local", device="local")
    report["selected"] = "student-32@local"
    table = device_table(checked_report(report))
    assert table is not None
    assert [name for name, _ in table.devices] == ["local", "jetson"]
    lines = dict(table.lines)
    assert lines["teacher"][1] is None
    here, there = lines["student-32"]
    assert here is not None
    assert there is not None
    assert (here.typical, there.typical) == ("3.12\xa0ms", "5.61\xa0ms")
    assert "Device by device" in Page(render_report(report)).text


def test_one_device_is_not_compared(report: dict[str, Any]) -> None:
    assert device_table(checked_report(report)) is None
    assert "Device by device" not in Page(render_report(report)).text


def test_the_page_to_sign_holds_the_row_chosen_however_many_there_are(report: dict[str, Any]) -> None:
    report["rows"] = [*report["rows"][4:], *_copies(report["rows"][4], 20), *report["rows"][:4]]
    found = [each.row.name for each in summary_rows(checked_report(report))]
    assert len(found) == 6
    assert {"student-32-int8", "teacher", "student-32", "teacher-onnx"} <= set(found)
    assert "20 more models on the pages that follow" in Page(render_report(report)).text


def _copies(row: dict[str, Any], number: int) -> list[dict[str, Any]]:
    return [{**row, "name": f"copy-{index}"} for index in range(number)]


def test_templates_lie_beside_the_code() -> None:
    folder = Path(render.__file__).parent / "templates"
    assert {path.name for path in folder.iterdir()} == {"macros.html.j2", "report.html.j2", "report.css"}
