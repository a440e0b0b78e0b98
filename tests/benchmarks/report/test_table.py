from __future__ import annotations

from typing import Any

from beltline.benchmarks.report.reading import checked_report
from beltline.benchmarks.report.table import table_rows


def typical_detail(report: dict[str, Any], *, row: int) -> str:
    cells = {cell.heading: cell for cell in table_rows(checked_report(report))[row].cells}
    return cells["Typical"].detail


def test_a_row_that_took_turns_says_how_much_faster_it_is_with_its_interval(report: dict[str, Any]) -> None:
    times = {"ratio": 98.4, "lower": 96.1, "upper": 101.2, "confidence": 0.95}
    report["rows"][1]["speedup"] = {"against": "teacher", "p50": times, "p99": times}
    assert typical_detail(report, row=1).endswith("98.4× as fast as teacher (96.1–101)")  # noqa: RUF001


def test_a_row_measured_alone_tells_no_speed_up(report: dict[str, Any]) -> None:
    assert "fast" not in typical_detail(report, row=1)
    assert typical_detail(report, row=1).startswith("engine ")
