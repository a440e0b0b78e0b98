"""The whole-frame term: features as they were learned elsewhere, a linear judgement, weighed on val."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from beltline.compress.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from beltline.compress.methods.distill.settings import DistillStep
from beltline.compress.networks.base.families import build_network, normal_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.compress.teacher.settings import TeacherSettings
from beltline.compress.teacher.teacher import train_teacher
from beltline.compress.teacher.whole_frame import _weight, with_whole_frame
from beltline.compress.training.scores import batch_scores
from beltline.inspection.base.errors import LineFileError
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.frame import FrameSpec
from beltline.inspection.statistics.roc import auroc
from pydantic import ValidationError

FRAME = FrameSpec(height=128, width=128, channels=1, mean=(0.5,), std=(0.5,))
NETWORK = normal_network(
    {"family": "timm", "backbone": "tf_efficientnet_lite0", "width": 8, "pretrained": True, "whole_frame": True}
)
CPU = torch.device("cpu")


def quiet(*_: object) -> None:
    return None


def untrained() -> Inspector:
    torch.manual_seed(3)
    return Inspector(build_network({**NETWORK, "whole_frame": False}, 1), FRAME).eval()


def test_a_term_that_knows_more_is_kept_and_saved(line_data: Dataset, tmp_path: Path) -> None:
    inspector, val = untrained(), line_data.of("val")
    defective = np.array([sample.defective for sample in val])
    before = auroc(batch_scores(inspector, line_data, val, CPU), defective)
    judged = with_whole_frame(inspector, NETWORK, line_data, CPU, quiet)
    after = batch_scores(judged.inspector, line_data, val, CPU)
    assert auroc(after, defective) > before
    assert judged.network == NETWORK
    assert "weight" in judged.line
    path = tmp_path / "teacher.safetensors"
    save_checkpoint(
        path, Checkpoint(network=judged.network, frame=FRAME, lineage=(judged.line,), inspector=judged.inspector)
    )
    again = batch_scores(load_checkpoint(path).inspector, line_data, val, CPU)
    assert again == pytest.approx(after, abs=1e-4)


def test_what_knows_nothing_weighs_nothing_and_what_knows_as_much_weighs_as_much() -> None:
    random = np.random.default_rng(0)
    defective = np.arange(400) % 2 == 0
    knows, knows_too = (defective * 2.0 + random.normal(size=400) for _ in range(2))
    assert _weight(knows, random.normal(size=400), defective) < 0.15
    assert _weight(knows, knows_too, defective) == pytest.approx(1, abs=0.4)
    assert _weight(random.normal(size=400), knows, defective) == 2.0


def test_without_defects_on_val_there_is_nothing_to_weigh_by(line_data: Dataset) -> None:
    kept = tuple(each for each in line_data.samples if each.split != "val" or not each.defective)
    inspector = untrained()
    judged = with_whole_frame(inspector, NETWORK, replace(line_data, samples=kept), CPU, quiet)
    assert judged.inspector is inspector
    assert not judged.network["whole_frame"]
    assert "left out" in judged.line


def test_it_needs_what_a_backbone_learned_elsewhere(line_data: Dataset, tmp_path: Path) -> None:
    settings = TeacherSettings.model_validate({"network": {**NETWORK, "pretrained": False}})
    with pytest.raises(LineFileError, match="write pretrained: true"):
        train_teacher(settings, line_data, tmp_path / "t", partial=tmp_path, seed=0, progress=quiet)


def test_a_student_has_none() -> None:
    with pytest.raises(ValidationError, match="whole_frame, which is a teacher's"):
        DistillStep.model_validate({"network": NETWORK})
