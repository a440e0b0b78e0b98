from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from beltline.benchmarks.report.files import trace_file
from beltline.benchmarks.report.finished import finished_report, format_of, formats
from beltline.benchmarks.report.render import render_report
from beltline.benchmarks.timing.measurement import Measurement, write_trace
from beltline.inspection.base.errors import DataError

Print = Callable[..., str]
EVIL = "=cmd|' /C calc'!A0"


@pytest.fixture
def printed(tmp_path: Path) -> Print:
    """Write a report and print it in a format."""

    def render(report: dict[str, Any], name: str) -> str:
        path = tmp_path / "report.json"
        path.write_text(json.dumps(report), "utf-8")
        wanted = format_of(name, output=None)
        assert wanted is not None
        return wanted.render(finished_report(path))

    return render


def cases(text: str) -> dict[tuple[str, str], ET.Element]:
    root = ET.fromstring(text)
    return {(suite.get("name", ""), case.get("name", "")): case for suite in root for case in suite}


def test_every_format_prints_and_names_every_row(report: dict[str, Any], printed: Print) -> None:
    assert set(formats()) == {"csv", "html", "json", "junit", "md"}
    for name in formats():
        text = printed(report, name).replace("\\", "")
        assert all(row["name"] in text for row in report["rows"]), name


@pytest.mark.parametrize("name", ["csv", "html", "json", "junit", "md"])
def test_the_least_that_a_report_can_hold_prints(report: dict[str, Any], printed: Print, name: str) -> None:
    bare = {"name": "t", "role": "teacher", "backend": "torch_eager", "precision": "fp32", "verdict": "inconclusive"}
    report.update(rows=[bare], selected=None, gates=None, started=None)
    assert printed(report, name)


def test_json_is_the_report_as_it_stands_unknown_keys_included(report: dict[str, Any], printed: Print) -> None:
    report["later"] = {"version": 2}
    assert json.loads(printed(report, "json")) == report


def test_csv_has_a_line_a_row_and_units_in_its_header(report: dict[str, Any], printed: Print) -> None:
    lines = list(csv.DictReader(StringIO(printed(report, "csv"), newline="")))
    assert [line["row"] for line in lines] == [row["name"] for row in report["rows"]]
    chosen = lines[3]
    assert float(chosen["response_p50_ms"]) == report["rows"][3]["latency_ms"]["p50"]
    assert int(chosen["size_bytes"]) == 431_000
    assert (chosen["selected"], chosen["escapes"], chosen["device"]) == ("yes", "21", "local")
    assert lines[5]["response_p999_ms"] == ""
    units = ("_ms", "_bytes", "_share_upper")
    measured = [name for name in chosen if any(word in name for word in ("response", "engine", "size", "upper"))]
    assert all(name.endswith(units) for name in measured)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_runs_nothing_in_a_spreadsheet(report: dict[str, Any], printed: Print, start: str) -> None:
    report["rows"][2]["name"] = report["rows"][2]["reasons"] = start + 'SUM(A1)",\n2'
    report["rows"][2]["reasons"] = [start + "SUM(A1)"]
    report["rows"][2]["quality"]["threshold"] = -0.5
    line = list(csv.DictReader(StringIO(printed(report, "csv"), newline="")))[2]
    assert line["row"] == "'" + report["rows"][2]["name"]
    assert line["reason"] == f"'{start}SUM(A1)"
    assert float(line["threshold"]) == -0.5


def test_junit_has_a_case_a_row_and_gate_and_counts_them(report: dict[str, Any], printed: Print) -> None:
    text = printed(report, "junit")
    root, found = ET.fromstring(text), cases(text)
    rows = [row["name"] for row in report["rows"]]
    gates = ("deadline_miss", "escape", "overkill")
    assert set(found) == {(row, gate) for row in rows for gate in gates} | {("verdict", "student-32-int8")}
    for suite in [root, *root]:
        inner = list(suite.iter("testcase"))
        assert int(suite.get("tests", "")) == len(inner)
        for kind, counted in (("failure", "failures"), ("skipped", "skipped")):
            assert int(suite.get(counted, "")) == sum(case.find(kind) is not None for case in inner)


def test_junit_fails_for_the_row_chosen_and_skips_what_others_miss(report: dict[str, Any], printed: Print) -> None:
    found = cases(printed(report, "junit"))
    assert not any(case.find("failure") is not None for case in found.values())
    skipped = found["wide-fp32", "deadline_miss"].find("skipped")
    assert skipped is not None
    assert "missed by a row that was not chosen: 631 of 900 frames" in skipped.get("message", "")
    report["selected"] = None
    for row in report["rows"]:
        row["verdict"] = "misses"
        for name, finding in row["gates"].items():
            finding["outcome"] = "misses" if name == "deadline_miss" else "fits"
    failures = {key for key, case in cases(printed(report, "junit")).items() if case.find("failure") is not None}
    assert failures == {("verdict", "student-16-pruned-int8"), ("student-16-pruned-int8", "deadline_miss")}


def test_junit_skips_what_is_not_proven_with_the_number_needed(report: dict[str, Any], printed: Print) -> None:
    report["selected"] = None
    for row in report["rows"]:
        row["verdict"] = "inconclusive"
        more = "Add about 340 more good parts to the test split."
        row["gates"]["overkill"].update(outcome="inconclusive", next_step=more)
    skipped = cases(printed(report, "junit"))["student-32-int8", "overkill"].find("skipped")
    assert skipped is not None
    assert "Add about 340 more good parts" in skipped.get("message", "")


def test_junit_bears_names_that_xml_cannot_hold(report: dict[str, Any], printed: Print) -> None:
    report["rows"][2]["name"] = "a\x00\x1b<b>&\ud83d\ude00\"'\x0b"
    report["data"]["name"] = "\x01<!--"
    assert any("<b>&" in suite for suite, _ in cases(printed(report, "junit")))


# What the JUnit reporters of Jenkins and GitLab read (the xunit plugin's junit-10.xsd).
KNOWN = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package"},
    "testcase": {"name", "classname", "time", "assertions", "status"},
    "failure": {"message", "type"},
    "skipped": {"message", "type"},
    "system-out": set(),
}


def test_junit_holds_only_what_ci_servers_know(report: dict[str, Any], printed: Print) -> None:
    report["selected"], report["rows"][4]["verdict"] = None, "misses"
    for each in ET.fromstring(printed(report, "junit")).iter():
        assert set(each.attrib) <= KNOWN[each.tag]


def test_md_is_tables_whose_rows_have_one_width(report: dict[str, Any], printed: Print) -> None:
    report["rows"][2]["name"] = "a|b\n<script>*`_x_`*"
    text = printed(report, "md")
    tables = re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE)
    assert len(tables) == 2
    for table in tables:
        lines = table.strip().splitlines()
        assert re.fullmatch(r"\|( --- \|)+", lines[1])
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert "\xa0" not in text
    assert "<script>" not in text


def test_md_renders_as_github_would(report: dict[str, Any], printed: Print) -> None:
    markdown = pytest.importorskip("markdown_it")
    html = markdown.MarkdownIt("gfm-like", {"linkify": False}).render(printed(report, "md"))
    assert html.count("<table>") == 2
    assert html.count("<tr>") == (1 + 3) + (1 + len(report["rows"]))
    assert "<td>student-32-int8 (selected)</td>" in html


def test_html_draws_the_charts_from_the_traces_beside_the_report(
    report: dict[str, Any], traces: dict[str, Measurement], printed: Print, tmp_path: Path
) -> None:
    assert "How long decisions take" not in printed(report, "html")
    write_trace(trace_file(tmp_path, "student-32-int8"), traces["student-32-int8"])
    assert "How long decisions take" in printed(report, "html")


def test_html_is_the_runs_own_page_while_it_shows_this_very_report(
    report: dict[str, Any], printed: Print, tmp_path: Path
) -> None:
    own = render_report(report).replace("</main>", "<p>Own pictures.</p></main>")
    (tmp_path / "report.html").write_text(own, "utf-8")
    assert printed(report, "html") == own
    report["cautions"] = ["Changed since."]
    assert "Changed since." in printed(report, "html")
    assert "Own pictures." not in printed(report, "html")


def test_a_format_is_found_by_name_or_by_suffix() -> None:
    by_suffix = {suffix: format_of(None, output=Path("r" + suffix)) for suffix in (".xml", ".md", ".csv")}
    assert {suffix: found.name for suffix, found in by_suffix.items() if found} == {
        ".xml": "junit", ".md": "md", ".csv": "csv",
    }  # fmt: skip
    assert format_of(None, output=None) is None
    for name, output in (("pdf", None), (None, Path("report.pdf")), (None, Path("report"))):
        with pytest.raises(DataError, match="junit"):
            format_of(name, output=output)


def test_cautions_and_escapes_apart_stand_in_every_format(report: dict[str, Any], printed: Print) -> None:
    caution = "444 of 888 defects in the test get through."
    report["cautions"] = [caution]
    report["rows"][3]["cautions"] = [caution]
    report["rows"][3]["quality"]["by_kind"] = [{"name": "mouse bite", "count": 3, "of": 41, "upper": 0.18}]
    report["rows"][3]["quality"]["by_group"] = [{"name": "board 7", "count": 2, "of": 5, "upper": 0.8}]
    rates = {"escape": {"count": 1, "of": 74, "upper": 0.06}, "overkill": {"count": 0, "of": 0, "upper": 1.0}}
    report["rows"][3]["quality"]["by_design"] = [{"name": "board 9", **rates}]
    for name in formats():
        assert caution in printed(report, name), name
    for name in ("html", "json", "md"):
        assert "board 9" in printed(report, name), name
    for name in ("csv", "html", "json", "md"):
        text = printed(report, name)
        assert "mouse bite" in text, name
        assert "board 7" in text, name
    chosen = list(csv.DictReader(StringIO(printed(report, "csv"), newline="")))[3]
    assert (chosen["escapes_by_kind"], chosen["escapes_by_group"]) == ("mouse bite 3/41", "board 7 2/5")
    assert chosen["gate_escape"] == "fits"
