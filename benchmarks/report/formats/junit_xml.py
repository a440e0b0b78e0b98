"""`report --format junit`: a test suite for each row and a test case for each gate, for a factory's CI to gate on.

What was chosen decides: a gate missed by the selected row (or, where none is selected, by the one that came closest)
is a failure. Rows that were not chosen may miss gates without turning the line red, the teacher above all, which hardly
ever keeps up: what they miss is skipped, with the words. What is not proven is skipped, with the number needed.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from ..decision import HEADINGS, lead_sentence, next_steps, overall_verdict, shown_row
from ..finished import FinishedReport, Format
from ..schema import GateFinding, Report, Row

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold (section 2.2); a name may bring them along."""


def _render(finished: FinishedReport) -> str:
    report = finished.report
    root = ET.Element("testsuites", name=_clean(f"beltline {report.data.name}"))
    _suite(root, report, "verdict", [_verdict(report)])
    for row in report.rows:
        _suite(root, report, row.name, _cases(report, row))
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(root: ET.Element, report: Report, name: str, cases: list[ET.Element]) -> None:
    counts = {kind: sum(case.find(kind) is not None for case in cases) for kind in ("failure", "skipped")}
    suite = ET.SubElement(
        root,
        "testsuite",
        name=_clean(name),
        tests=str(len(cases)),
        failures=str(counts["failure"]),
        errors="0",
        skipped=str(counts["skipped"]),
        time="0",
    )
    if report.started:
        suite.set("timestamp", _clean(report.started))
    suite.extend(cases)


def _verdict(report: Report) -> ET.Element:
    case = _case("verdict", shown_row(report).name)
    verdict, details = overall_verdict(report), " ".join([lead_sentence(report), *next_steps(report)])
    if verdict == "misses":
        _outcome(case, "failure", HEADINGS[verdict], details)
    elif verdict == "inconclusive":
        _outcome(case, "skipped", f"{HEADINGS[verdict]}: {details}", details)
    if report.cautions:
        ET.SubElement(case, "system-out").text = _clean("\n".join(f"Mind: {each}" for each in report.cautions))
    return case


def _cases(report: Report, row: Row) -> list[ET.Element]:
    if not row.gates:
        case = _case(row.name, "measured")
        _outcome(case, "skipped", "not measured", "This report holds no measurement of the row.")
        return [case]
    chosen = row.name == shown_row(report).name
    return [_gate(row, key, finding, chosen=chosen) for key, finding in row.gates.items()]


def _gate(row: Row, key: str, finding: GateFinding, *, chosen: bool) -> ET.Element:
    case = _case(row.name, key)
    details = " ".join(filter(None, (f"{finding.seen}.", finding.sentence, finding.next_step)))
    if finding.outcome == "misses" and chosen:
        _outcome(case, "failure", f"missed: {finding.seen}", details)
    elif finding.outcome == "misses":
        _outcome(case, "skipped", f"missed by a row that was not chosen: {finding.seen}", details)
    elif finding.outcome == "inconclusive":
        _outcome(case, "skipped", f"not proven: {finding.seen}. {finding.next_step}".strip(), details)
    return case


def _case(row: str, gate: str) -> ET.Element:
    return ET.Element("testcase", classname=_clean(f"beltline.{row}"), name=_clean(gate), time="0")


def _outcome(case: ET.Element, kind: str, message: str, details: str) -> None:
    outcome = ET.SubElement(case, kind, message=_clean(message))
    outcome.text = _clean(details)
    if kind == "failure":
        outcome.set("type", "GateMissed")


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text.replace("\u00a0", " "))


FORMAT = Format(name="junit", suffix=".xml", render=_render)
