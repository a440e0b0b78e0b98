"""The study sees what a station would see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from beltline.export.bundles.golden import reference_of
from beltline.export.bundles.writing import write_bundle
from beltline.export.contracts import Frame
from beltline.inspection.data.appearance import appearance_of
from beltline.studies.station.drift import main


@pytest.fixture
def data(frames: list[Frame], tmp_path: Path) -> Path:
    """Val: the frames themselves; test: the same ones in a darker light."""
    rows = ["path,label,split"]
    (tmp_path / "set").mkdir()
    for place, frame in enumerate(frames):
        for split, darker in (("train", 3), ("val", 0), ("test", 40)):
            name = f"{split}{place}.png"
            image = np.maximum(frame, darker) - np.uint8(darker) + np.uint8(place % 2)
            (tmp_path / "set" / name).write_bytes(cv2.imencode(".png", image)[1].tobytes())
            rows.append(f"{name},{'pit' if place % 4 == 0 else 'good'},{split}")
    (tmp_path / "set" / "labels.csv").write_text("\n".join(rows))
    return tmp_path / "set"


@pytest.fixture
def watched(bundle: Any, frames: list[Frame], tmp_path: Path) -> Path:
    scores = list(bundle.parts.golden.scores["onnx_runtime"])
    good = [place for place in range(len(frames)) if place % 4] * 40
    looks = [appearance_of(frames[place] + np.uint8(place % 2)) for place in good]
    reference = reference_of({"onnx_runtime": [scores[place] for place in good]}, looks, drawn_from="a test")
    path = tmp_path / "watched.beltline"
    write_bundle(path, replace(bundle.parts, reference=reference), key=None)
    return path


def test_darker_frames_drift_and_the_own_ones_do_not(
    watched: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [str(watched), str(data), "--windows", "1", "--defective", "0"]
    assert main([*asked, "--split", "val"]) == 0
    assert "drifts" not in capsys.readouterr().out
    assert main([*asked, "--split", "test"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 6
    assert [row.split()[1] for row in rows if row.endswith("drifts")].count("brightness") == 1


def test_a_bundle_without_reference_is_said(bundle: Any, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(bundle.path), str(data)]) == 2
    assert "bundle its run again" in capsys.readouterr().err
