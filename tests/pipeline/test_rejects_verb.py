"""`beltline rejects`: list, label, export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from beltline.pipeline.cli.app import app
from beltline.station.settings import RingSettings
from beltline.station.watching.reject_ring import RejectRing
from station_parts import rejected
from typer.testing import CliRunner


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    made = RejectRing(RingSettings(folder=tmp_path / "ring", keep_free_mb=0))
    for number in range(3):
        made.take(rejected(number, name=f"part {number}"))
    return tmp_path / "ring"


def asked(*arguments: str | Path, code: int = 0) -> Any:
    answer = CliRunner().invoke(app, ["rejects", *map(str, arguments)])
    assert answer.exit_code == code, answer.output
    return answer


def test_list_label_and_export(ring: Path, tmp_path: Path) -> None:
    assert "part 1  [not labelled]" in asked(ring).output
    assert "[scratch]" in asked(ring, "--label", "2=scratch", "--label", "1=good").output
    facts = json.loads(asked(ring, "-o", tmp_path / "set", "--json").output)
    assert (facts["exported"], facts["left_out"]) == (2, 1)
    assert [each["label"] for each in facts["frames"]] == ["good", "scratch", None]
    assert (tmp_path / "set" / "labels.csv").is_file()


def test_mistakes_are_answered(ring: Path, tmp_path: Path) -> None:
    assert "got 'scratch'" in asked(ring, "--label", "scratch", code=2).output
    assert "add --output" in asked(ring, "--rest-as", "good", code=2).output
    assert "wanted the folder" in asked(tmp_path / "nowhere", code=2).output
