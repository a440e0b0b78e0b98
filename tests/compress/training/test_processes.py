"""Training in two processes over gloo: the same curve as in one, resumable after one of them is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from beltline.compress.checkpoint import load_checkpoint
from beltline.compress.methods.distill.settings import DistillStep
from beltline.compress.teacher.settings import TeacherSettings
from beltline.compress.teacher.teacher import train_teacher
from beltline.compress.training.fit_settings import AugmentationSettings, FitSettings
from beltline.compress.training.loop import History
from beltline.inspection.base.errors import RecipeError
from beltline.inspection.data.dataset import Dataset
from pydantic import ValidationError

FIT = FitSettings(epochs=2, samples_per_epoch=32, batch=8, augmentation=AugmentationSettings(crop=64))


def quiet(_what: str, _done: int, _of: int) -> None:
    return None


def trained(data: Dataset, folder: Path, processes: int, progress: Any = quiet) -> tuple[History, Path]:
    fit = FIT.model_copy(update={"processes": processes})
    settings = TeacherSettings(network={"family": "plain", "width": 8, "depth": 1}, fit=fit, device="cpu")
    path = folder / "teacher.safetensors"
    return train_teacher(settings, data, path, partial=folder / "partial", seed=1, progress=progress), path


def test_two_processes_give_the_curve_of_one_also_after_one_of_them_was_killed(
    line_data: Dataset, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    alone, one = trained(line_data, tmp_path / "one", 1)

    def kills(what: str, done: int, _of: int) -> None:
        if "epoch 2" in what and done == 2:
            followers = [each for each in psutil.Process().children() if "spawn_main" in " ".join(each.cmdline())]
            os.kill(followers[0].pid, signal.SIGKILL)

    with pytest.raises(RecipeError, match=r"teacher: process 1 of 2 ended with -9; run again: it goes on"):
        trained(line_data, tmp_path / "two", 2, kills)
    told: list[str] = []
    together, two = trained(line_data, tmp_path / "two", 2, lambda what, done, _of: told.append(f"{what} {done}"))
    assert not [line for line in told if line.startswith("epoch 1")]  # it went on from there
    for ours, theirs in zip(alone.rows, together.rows, strict=True):
        assert ours == pytest.approx(theirs, rel=2e-4)
    first, second = (load_checkpoint(path).inspector.state_dict() for path in (one, two))
    for name, value in first.items():
        torch.testing.assert_close(second[name].float(), value.float(), rtol=0.02, atol=2e-4, msg=name)


def test_a_batch_that_cannot_be_shared_and_a_step_in_several_processes_are_refused() -> None:
    with pytest.raises(ValidationError, match="8 views at once cannot be shared by 3, two"):
        FitSettings(batch=8, processes=3)
    with pytest.raises(ValidationError, match="only a teacher is trained in several processes"):
        DistillStep.model_validate({"fit": {"processes": 2}})
