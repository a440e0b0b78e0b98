"""Large frames with small defects, cut into tiles or shrunk: `python -m beltline.studies.quality.tiles`.

A synthetic camera line is written (or taken, where the folder holds one), the same network is trained on its frames in
tiles and shrunk as a whole, and both are judged on the test split: AUROC, and escapes by the length of the defect at a
threshold that was fitted on val.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from ...compress.checkpoint import load_checkpoint
from ...compress.teacher.settings import TeacherSettings
from ...compress.teacher.teacher import train_teacher
from ...compress.training.devices import torch_device
from ...compress.training.scores import batch_scores
from ...inspection.data.camera import CameraSettings, Tiles
from ...inspection.data.kinds import defect_lengths
from ...inspection.data.loading import load_dataset
from ...inspection.data.settings import DataSettings
from ...inspection.line.gates import Gates
from ...inspection.statistics.judging import judge_quality
from ...inspection.statistics.quality import Quality
from ...inspection.statistics.threshold import operating_point
from ...inspection.synthetic.camera import CAMERAS, write_camera_line

_OVERKILL, _CONFIDENCE = 0.05, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is trained.

    Attributes:
        data: Folder of the line.
        work: Folder for checkpoints and prepared frames.
        epochs: Of each training.
        views: Of each epoch.
        width: Of the network, `plain`.
    """

    data: Path
    work: Path
    epochs: int
    views: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came of one way.

    Attributes:
        way: `tiles` or `shrunk`, with its numbers.
        seconds: From the data set to the last score.
        quality: On test.
        peak_bytes: Most memory of this process so far.
    """

    way: str
    seconds: float
    quality: Quality
    peak_bytes: int


def trained(plan: Plan, *, tiles: Tiles | None, shrunk: tuple[int, int] | None) -> Found:
    """Train and judge one way; one of `tiles` and `shrunk` (height and width of the network's input) is given."""
    began_s = time.monotonic()
    way = f"tiles of {tiles.size} at scale {tiles.scale:g}" if tiles else f"shrunk to {shrunk}"
    dataset = load_dataset(
        DataSettings(root=plan.data), camera=CameraSettings(tiles=tiles), cache=plan.work / "index.sqlite"
    )
    settings = TeacherSettings.model_validate(
        {
            "network": {"family": "plain", "width": plan.width, "depth": 2},
            "input_size": shrunk,
            "device": "cpu",
            "fit": {"epochs": plan.epochs, "samples_per_epoch": plan.views, "batch": 16, "ema": 0.99},
        }
    )
    file, partial = plan.work / f"{way}.safetensors", plan.work / f"{way}.partial"
    partial.mkdir(parents=True, exist_ok=True)
    train_teacher(settings, dataset, file, partial=partial, seed=0, progress=lambda _what, _done, _of: None)
    inspector, device = load_checkpoint(file).inspector, torch_device("cpu")
    val, test = dataset.of("val"), dataset.of("test")
    scores, defective = batch_scores(inspector, dataset, val, device), np.array([each.defective for each in val])
    point = operating_point(scores, defective, max_overkill=_OVERKILL, confidence=_CONFIDENCE)
    quality = judge_quality(
        batch_scores(inspector, dataset, test, device),
        test,
        threshold=point.threshold,
        gates=Gates(),
        lengths_px=defect_lengths(dataset, [each for each in test if each.defective]),
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Found(way=way, seconds=time.monotonic() - began_s, quality=quality, peak_bytes=peak)


def describe(found: Found, out: TextIO) -> None:
    """Print one way as a row of a table."""
    quality = found.quality
    sizes = ", ".join(
        f"{each.from_px}-{2 * each.from_px} px {each.escape.count}/{each.escape.of}" for each in quality.by_size
    )
    low, high = quality.auroc_interval
    escaped, rejected = quality.escape, quality.overkill
    cells = [
        found.way,
        f"{quality.auroc or 0:.4f} ({low:.3f} to {high:.3f})",
        f"{escaped.count} of {escaped.of}" + (f" ({sizes})" if sizes else ""),
        f"{rejected.count} of {rejected.of}",
        f"{found.seconds:.0f}",
        f"{found.peak_bytes / 1e9:.1f}",
    ]
    print("| " + " | ".join(cells) + " |", file=out, flush=True)


def main(arguments: Sequence[str] | None = None, out: TextIO = sys.stdout) -> None:
    """Write or take the line, train both ways and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--camera", choices=sorted(CAMERAS), default="line_8k")
    parser.add_argument("--parts", type=int, default=200)
    parser.add_argument("--defect-px", type=float, nargs=2, default=(12.0, 12.0))
    parser.add_argument("--work", type=Path, default=Path("runs/tiles"))
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--views", type=int, default=1280)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--tile", type=int, default=128)
    parser.add_argument("--scale", type=float, default=0.5)
    parser.add_argument("--shrunk", type=int, nargs=2, help="height and width; left out: tiles alone")
    given = parser.parse_args(arguments)
    if not (given.data / "labels.csv").is_file():
        write_camera_line(
            given.data, CAMERAS[given.camera], seed=1, parts=given.parts, defect_px=tuple(given.defect_px)
        )
    plan = Plan(data=given.data, work=given.work, epochs=given.epochs, views=given.views, width=given.width)
    print(
        "| way | test AUROC (95 %) | escapes | overkill | s | peak GB |\n| --- | --- | --- | --- | --- | --- |",
        file=out,
    )
    tiles = Tiles(size=given.tile, overlap=32, scale=given.scale)
    describe(trained(plan, tiles=tiles, shrunk=None), out)
    if given.shrunk is not None:
        describe(trained(plan, tiles=None, shrunk=tuple(given.shrunk)), out)


if __name__ == "__main__":
    main()
