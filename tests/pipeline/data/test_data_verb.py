"""`beltline data`: what was understood, in text, as JSON and as a sheet of photographs."""

from __future__ import annotations

import json
from pathlib import Path

import annotated_trees as trees
import cv2
import numpy as np
import pytest
from beltline.pipeline.cli.app import app
from chromium import Browser, browser  # noqa: F401
from typer.testing import CliRunner, Result

SHARED = Path(__file__).parents[4] / "shared" / "data"


def _data(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def test_the_text_tells_layout_kinds_sizes_and_splits(tmp_path: Path) -> None:
    trees.coco_roboflow(tmp_path)
    shown = _data(tmp_path, "--pixels-per-mm", 4)
    assert shown.exit_code == 0, shown.output
    for part in ("read as coco", "48 x 40 pixels (12 x 10 mm)", "median mm", "what was assumed"):
        assert part in shown.stdout or part == "what was assumed"
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["crack", "2", "2", "2", "6", "6", "3.0", "3.0", "3.0"] in lines
    assert ["train", "4", "2", "2", "4"] in lines


def test_json_holds_the_same(tmp_path: Path) -> None:
    trees.severstal(tmp_path)
    facts = json.loads(_data(tmp_path, "--json").stdout)
    assert (facts["reader"], facts["pixels_per_mm"], facts["unmarked"]) == ("severstal", None, 0)
    assert sum(counts["images"] for counts in facts["splits"].values()) == 24
    assert facts["kinds"]["class_1"]["marks"] == 4
    assert facts["kinds"]["class_1"]["longer_side_px"] == [12, 12, 12]


def test_what_cannot_be_understood_is_one_message_and_exit_2(tmp_path: Path) -> None:
    trees.labelme(tmp_path)
    refused = _data(tmp_path)
    assert refused.exit_code == 2
    assert "12 images are annotated and 18 are not" in refused.stderr
    assert _data(tmp_path, "--keys", "{unlabelled: good}").exit_code == 0
    wrong = _data(tmp_path, "--keys", "{unlabeled: good}")
    assert wrong.exit_code == 2
    assert "unlabeled" in wrong.stderr


def test_a_line_file_says_how_its_folder_is_read(tmp_path: Path) -> None:
    trees.labelme(tmp_path / "parts")
    line = "line: {belt_speed_mm_s: 500, part_pitch_mm: 120, camera_to_ejector_mm: 60}\n"
    trees.text(tmp_path / "line.yaml", line + "data: {root: parts, unlabelled: good}\ncamera: {pixels_per_mm: 2}\n")
    shown = _data(tmp_path / "line.yaml", "--json")
    assert json.loads(shown.stdout)["kinds"]["pitting"]["longer_side_mm"] == [6, 6, 6], shown.output


def test_the_sheet_shows_every_kind_with_its_marks_and_loads_nothing(
    tmp_path: Path,
    browser: Browser,  # noqa: F811
) -> None:
    trees.voc(tmp_path / "nd")
    file = tmp_path / "sheet.html"
    assert _data(tmp_path / "nd", "--html", file).exit_code == 0
    for width in (1280, 390):
        browser.open(file, width=width)
        assert browser.complaints() == []
        assert browser.faint() == []
        wide = browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0
    titles = browser.evaluate("[...document.querySelectorAll('h2')].map(each => each.textContent)")
    assert {"crazing", "patches", "good areas, mirrored to a whole frame"} <= set(titles)
    broken = browser.evaluate("[...document.images].filter(each => !each.naturalWidth).length")
    assert broken == 0
    picture = cv2.imdecode(np.frombuffer(browser.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    assert (np.abs(picture.astype(int) - (0x94, 0x5B, 0x1D)).max(axis=2) < 30).sum() > 500  # outlines of the first kind


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "pcb_boards").is_dir(), reason="the boards lie in shared/data only")
def test_whole_boards_are_read_as_they_are_exported() -> None:
    facts = json.loads(_data(SHARED / "pcb_boards", "--pixels-per-mm", 48, "--json").stdout)
    assert facts["reader"] == "coco"
    assert {kind: each["images"]["train"] > 500 for kind, each in facts["kinds"].items()} == dict.fromkeys(
        ("copper", "mousebite", "open", "pinhole", "short", "spur"), True
    )
    assert [facts["splits"][split]["defective"] for split in ("train", "val", "test")] == [1020, 207, 273]
    assert sum(each["marks"] for each in facts["kinds"].values()) == 10013
