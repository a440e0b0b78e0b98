import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from beltline.inspection.base.errors import DataError
from beltline.station.watching.coco import ANNOTATIONS, export_coco
from beltline.station.watching.labelling import set_label

FINDING = {"kind": "pit", "box": [110.0, 205.0, 10.0, 5.0], "contour": [[110, 205], [110, 210], [120, 210]]}


def _kept(ring: Path, number: int, findings: list[object]) -> None:
    folder = ring / f"{number:09d}"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "frame.png"), np.zeros((40, 60), np.uint8))
    facts = {"unix_ns": 1_700_000_000_000_000_000 + number, "score": 0.9, "threshold": 0.5, "origin": [100, 200]}
    (folder / "outcome.json").write_text(json.dumps({**facts, "findings": findings}))


def test_kept_frames_become_coco_with_what_was_found(tmp_path: Path) -> None:
    for number, findings in enumerate([[FINDING], [FINDING, FINDING], [], ["nonsense", {"kind": 3}]], start=1):
        _kept(tmp_path / "ring", number, list(findings))
    set_label(tmp_path / "ring", 2, "good")
    set_label(tmp_path / "ring", 3, "crack")
    assert export_coco(tmp_path / "ring", tmp_path / "out") == (4, 1)
    facts = json.loads((tmp_path / "out" / ANNOTATIONS).read_text())
    assert [each["name"] for each in facts["categories"]] == ["crack", "pit"]
    [found] = facts["annotations"]
    assert found["bbox"] == [10.0, 5.0, 10.0, 5.0]  # in pixels of the kept image, not of the camera
    assert found["segmentation"] == [[10, 5, 10, 10, 20, 10]]
    for image in facts["images"]:
        assert (tmp_path / "out" / image["file_name"]).is_file()
        assert (image["height"], image["width"]) == (40, 60)


def test_a_label_tool_that_reads_coco_opens_it(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    _kept(tmp_path / "ring", 1, [FINDING])
    export_coco(tmp_path / "ring", tmp_path / "out")
    opened = coco.COCO(str(tmp_path / "out" / ANNOTATIONS))
    outlined = pytest.importorskip("pycocotools.mask").area(opened.annToRLE(opened.loadAnns([1])[0]))
    assert int(outlined) == pytest.approx(25, abs=8)  # half of its box


def test_a_folder_that_is_no_ring_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="wanted the folder"):
        export_coco(tmp_path / "nowhere", tmp_path / "out")
