from __future__ import annotations

import pytest
from beltline.export.device_check.check import Checked
from beltline.studies.compression.checked_graphs import line, study
from beltline.studies.compression.producers import producers


def checked(name: str) -> Checked:
    ((made_by, found),) = study(only=[name])
    assert made_by == name
    assert isinstance(found, Checked), found
    return found


def test_there_are_files_of_a_dozen_makers() -> None:
    assert len(producers()) >= 12


@pytest.mark.slow
def test_what_onnx_runtime_quantizes_by_default_is_refused() -> None:
    found = checked("onnxruntime quantize_static")
    rules = {finding.rule for finding in found.findings if finding.level == "refused"}
    assert {"no-int32-bias", "zero-point-zero"} <= rules
    row = line("ort", found)
    assert row.startswith("| ort | ")
    assert "| none |" in row
    assert "zero-point-zero x " in row


def test_beltline_s_own_float16_is_taken_everywhere() -> None:
    found = checked("Beltline, half")
    assert all(found.taken_by.values())
    assert "6.1, 6.2, 7.2, 7.2.2" in line("half", found)


def test_a_tool_that_fails_is_a_row_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        msg = "no such thing\nat all"
        raise ValueError(msg)

    monkeypatch.setattr("beltline.studies.compression.checked_graphs.producers", lambda: {"broken": broken})
    ((name, found),) = study()
    assert (name, found) == ("broken", "not made: ValueError: no such thing")
    assert line(name, found).count("|") == 7
