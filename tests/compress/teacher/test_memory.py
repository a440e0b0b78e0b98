"""The memory of good parts, fitted on drawn parts; a backbone that has learned nothing is enough to try it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from beltline.compress.checkpoint import load_checkpoint
from beltline.compress.methods.distill.settings import DistillStep
from beltline.compress.methods.distill.students import train_student
from beltline.compress.recipe import ModuleContext
from beltline.compress.teacher.memory import Strangeness, fit_memory
from beltline.compress.teacher.settings import TeacherSettings
from beltline.compress.training.scores import batch_scores
from beltline.export.to_onnx import export_graph
from beltline.inspection.base.errors import RecipeError
from beltline.inspection.data.camera import CameraSettings, Tiles
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.statistics.roc import auroc
from pydantic import ValidationError

NETWORK = {
    "family": "memory",
    "backbone": "resnet18",
    "pretrained": False,
    "covariance": [8],
    "nearest": [16],
    "kept": 64,
}
SETTINGS = TeacherSettings.model_validate({"kind": "memory", "network": NETWORK})


def _part(seed: int, *, defect: bool = False) -> np.ndarray[Any, np.dtype[np.uint8]]:
    rng = np.random.default_rng(seed)
    frame = np.full((64, 64), 90, np.uint8)
    cv2.rectangle(frame, (16, 16), (48, 48), int(rng.integers(150, 170)), -1)
    if defect:
        at = rng.integers(20, 40, 2)
        cv2.rectangle(frame, at.tolist(), (at + 6).tolist(), 20, -1)
    return np.clip(frame + rng.normal(0, 4, frame.shape), 0, 255).astype(np.uint8)


def _dataset(folder: Path, good: int = 40, bad: int = 0) -> Dataset:
    for seed in range(good):
        cv2.imwrite(str(folder / f"good {seed:02d}.png"), _part(seed))
    rows = [f"good {seed:02d}.png,good,{('train', 'val', 'test')[seed % 3]}" for seed in range(good)]
    for seed in range(bad):
        cv2.imwrite(str(folder / f"bad {seed}.png"), _part(1000 + seed, defect=True))
        rows.append(f"bad {seed}.png,pit,test")
    (folder / "labels.csv").write_text("\n".join(["path,label,split", *rows]), encoding="utf-8")
    return load_dataset(DataSettings(root=folder, near_duplicates=False), needs_defects=False)


def _fitted(dataset: Dataset, path: Path, settings: TeacherSettings = SETTINGS) -> list[Strangeness]:
    return fit_memory(settings, dataset, path, seed=0, progress=lambda *_: None)


def test_it_tells_defects_that_it_has_never_seen_and_knows_the_scale_of_good_parts(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, bad=10)
    _fitted(dataset, tmp_path / "teacher.safetensors")
    teacher = load_checkpoint(tmp_path / "teacher.safetensors")
    test = dataset.of("test")
    logits = batch_scores(teacher.inspector, dataset, test, torch.device("cpu"))
    defective = np.array([sample.defective for sample in test])
    assert auroc(logits, defective) == 1.0
    assert abs(float(np.median(logits[~defective])) + 4) < 2


def test_the_same_seed_gives_the_same_file_and_it_exports_as_a_graph(tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    dataset = _dataset(tmp_path)
    for name in ("one", "two"):
        _fitted(dataset, tmp_path / f"{name}.safetensors")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    graph = export_graph(tmp_path / "one.safetensors", tmp_path)
    session = ort.InferenceSession(graph.path, providers=["CPUExecutionProvider"])
    frame = _part(7)[..., None]
    score, heatmap = session.run(None, {"frame": frame})
    with torch.inference_mode():
        wanted, cells = load_checkpoint(tmp_path / "one.safetensors").inspector(torch.from_numpy(frame))
    assert float(score) == pytest.approx(float(wanted), abs=1e-4)
    assert np.abs(heatmap.astype(int) - cells.numpy().astype(int)).max() <= 1


def test_a_defect_among_the_good_ones_is_the_strangest(tmp_path: Path) -> None:
    _dataset(tmp_path)
    cv2.imwrite(str(tmp_path / "good 03.png"), _part(3, defect=True))
    dataset = load_dataset(DataSettings(root=tmp_path, near_duplicates=False), needs_defects=False)
    found = _fitted(dataset, tmp_path / "teacher.safetensors")
    assert found[0].path == "good 03.png"
    assert found[0].deviations > 2 * found[1].deviations


def test_frames_that_are_cut_into_tiles_score_as_their_worst_tile(tmp_path: Path) -> None:
    whole = _dataset(tmp_path, good=24, bad=10)
    camera = CameraSettings(tiles=Tiles(size=64, overlap=32, scale=1.0))
    for sample in whole.samples:
        frame = np.full((96, 128), 90, np.uint8)
        frame[32:, 64:] = cv2.imread(str(tmp_path / sample.path), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(tmp_path / sample.path), frame)
    data = load_dataset(DataSettings(root=tmp_path, near_duplicates=False), camera=camera, needs_defects=False)
    found = _fitted(data, tmp_path / "memory.safetensors")
    assert len(found) == len(data.of("train"))
    inspector = load_checkpoint(tmp_path / "memory.safetensors").inspector
    assert inspector.frame.tiles == camera.tiles
    test = data.of("test")
    scores = batch_scores(inspector, data, test, torch.device("cpu"))
    assert auroc(scores, np.array([sample.defective for sample in test])) > 0.9


def test_one_good_frame_is_too_few(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, good=3)
    with pytest.raises(RecipeError, match="at least two good training frames, got 1"):
        _fitted(dataset, tmp_path / "teacher.safetensors")


def test_a_student_learns_from_it_without_a_defect_in_train_or_val(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, bad=10)
    _fitted(dataset, tmp_path / "teacher.safetensors")
    step = DistillStep.model_validate(
        {
            "network": {"family": "plain", "width": 8, "depth": 1},
            "fit": {"epochs": 2, "samples_per_epoch": 64, "batch": 8, "ema": 0.9},
            "teacher": {"labels": 0, "score": 0, "heatmap": 0, "logits": 1},
        }
    )
    context = ModuleContext(
        dataset=dataset,
        teacher=tmp_path / "teacher.safetensors",
        target_file=tmp_path / "student.safetensors",
        partial=None,
        device="cpu",
        seed=0,
        progress=lambda *_: None,
        timer=None,
        notify=lambda _: None,
    )
    history = train_student(tmp_path / "teacher.safetensors", step, context)
    assert history.best_epoch == 2
    assert history.rows[-1][1] < history.rows[0][1]
    assert "epoch 2 the latest" in load_checkpoint(tmp_path / "student.safetensors").lineage[-1]


def test_kind_and_network_family_mean_the_same() -> None:
    assert SETTINGS.good_only
    assert TeacherSettings.model_validate({"network": NETWORK}) == SETTINGS
    assert TeacherSettings.model_validate({"kind": "memory"}).network["family"] == "memory"
    assert TeacherSettings.model_validate(json.loads(SETTINGS.model_dump_json())) == SETTINGS
    for wrong in ({"network": {"family": "smp"}}, {"onnx": "model.onnx"}):
        with pytest.raises(ValidationError, match="kind: memory"):
            TeacherSettings.model_validate({"kind": "memory", **wrong})
