import json
from pathlib import Path
from typing import Any

import pytest
from beltline.benchmarks.report.reading import checked_report, read_report
from beltline.inspection.base.errors import DataError


def test_a_report_comes_back_as_it_stands_with_unknown_keys(tmp_path: Path, report: dict[str, Any]) -> None:
    report["rows"][0]["invented_later"] = {"a": 1}
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report))
    assert read_report(path) == report


def test_the_contracts_own_example_shape_is_taken() -> None:
    row = {"name": "r", "role": "baseline", "backend": "tensor_rt", "precision": "fp16", "verdict": "misses"}
    value = {
        "schema": 1,
        "budget": {"period_ms": 240.0, "deadline_ms": 86.0, "miss_max": 0.001, "confidence": 0.99},
        "data": {"name": "magnetic_tile", "digest": "sha256:0", "images": {"train": 803}},
        "device": {"name": "local"},
        "rows": [row],
        "selected": None,
    }
    assert checked_report(value).rows[0].latency_ms is None


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("budget", "deadline_ms"), -3, "budget.deadline_ms"),
        (("budget", "miss_max"), 2, "budget.miss_max"),
        (("rows", 3, "verdict"), "perhaps", "rows[3].verdict"),
        (("rows", 3, "latency_ms", "p50"), float("nan"), "rows[3].latency_ms.p50"),
        (("rows", 3, "latency_ms", "misses"), 9999, "misses must be at most frames (6636), got 9999"),
        (("rows", 3, "quality", "escape", "count"), 889, "count must be at most of (888), got 889"),
        (("rows", 1, "name"), "teacher", "row names must differ, got teacher more than once"),
        (("rows",), [], "rows"),
        (("selected",), "nobody", "selected must be null or one of teacher, "),
        (("schema",), 2, "schema must be 1, got 2"),
    ],
)
def test_a_wrong_value_is_named(report: dict[str, Any], place: tuple[Any, ...], value: Any, message: str) -> None:
    inner: Any = report
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(DataError) as caught:
        checked_report(report, source="old/report.json")
    assert message in str(caught.value)
    assert str(caught.value).startswith("old/report.json: ")


def test_many_mistakes_are_counted_not_listed(report: dict[str, Any]) -> None:
    for row in report["rows"]:
        row["verdict"] = 7
    with pytest.raises(DataError, match="and 3 more"):
        checked_report(report)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"report\.json"):
        read_report(path)


def test_a_missing_file_and_a_huge_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_report(tmp_path / "none.json")
    huge = tmp_path / "huge.json"
    with huge.open("wb") as stream:
        stream.truncate(65 << 20)
    with pytest.raises(DataError, match="at most 64 MiB"):
        read_report(huge)


def test_rows_name_the_device_that_they_ran_on(report: dict[str, Any]) -> None:
    report["devices"] = [report["device"], {"name": "jetson", "cpu": "Cortex-A78AE"}]
    report["rows"][2].update(name="student-32@jetson", device="jetson")
    checked = checked_report(report)
    assert [checked.device_of(row).name for row in checked.rows[1:3]] == ["local", "jetson"]
    assert checked.rows[2].model_name == "student-32"


def test_a_device_that_is_not_listed_is_refused(report: dict[str, Any]) -> None:
    report["rows"][2]["device"] = "jetson"
    with pytest.raises(DataError, match="device of a row must be one of local; got jetson"):
        checked_report(report)
