"""`beltline rejects`: list, label, export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from beltline.inspection.readers import readers
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


def test_coco_takes_every_kept_frame_with_what_was_found(tmp_path: Path) -> None:
    made = RejectRing(RingSettings(folder=tmp_path / "ring", keep_free_mb=0))
    finding = {"kind": "pit", "box": [4.0, 5.0, 6.0, 7.0], "contour": [[4, 5], [4, 12], [10, 12], [10, 5]]}
    made.take(rejected(1, findings=(finding,)))
    made.take(rejected(2))
    asked(tmp_path / "ring", "--coco", tmp_path / "set")
    (file,) = (tmp_path / "set").glob("*.json")
    content = json.loads(file.read_text())
    assert (len(content["images"]), len(content["annotations"])) == (2, 1)
    listings = readers()["coco"].read(tmp_path / "set")
    assert [[(area.kind, area.box) for area in each.areas] for each in listings] == [[("pit", (4, 5, 10, 12))], []]


def test_mistakes_are_answered(ring: Path, tmp_path: Path) -> None:
    assert "got 'scratch'" in asked(ring, "--label", "scratch", code=2).output
    assert "add --output" in asked(ring, "--rest-as", "good", code=2).output
    assert "wanted the folder" in asked(tmp_path / "nowhere", code=2).output
