"""Training with real networks on a small synthetic line: it learns, resumes, repeats itself and stops on NaN."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from beltline.compress.checkpoint import load_checkpoint
from beltline.compress.fit_settings import FitSettings, ViewSettings
from beltline.compress.inspector import Inspector
from beltline.compress.losses import label_loss
from beltline.compress.methods.distill import METHOD as DISTILL
from beltline.compress.methods.distill import DistillStep
from beltline.compress.methods.prune import METHOD as PRUNE
from beltline.compress.methods.prune import PruneStep
from beltline.compress.recipe import ModuleContext
from beltline.compress.teacher import train_teacher
from beltline.compress.teacher_settings import TeacherSettings
from beltline.compress.training import Job, _draw, _Trainer, fit
from beltline.inspection.dataset import Dataset
from beltline.inspection.errors import RecipeError

FIT = FitSettings(epochs=2, samples_per_epoch=32, batch=8, views=ViewSettings(crop=64))
SETTINGS = TeacherSettings(network={"family": "plain", "width": 8, "depth": 1}, fit=FIT, device="cpu")


def quiet(_what: str, _done: int, _of: int) -> None:
    return None


def train(data: Dataset, folder: Path, settings: TeacherSettings = SETTINGS, progress: Any = quiet) -> Path:
    path = folder / "teacher.safetensors"
    train_teacher(settings, data, path, partial=folder / "partial", seed=1, progress=progress)
    return path


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path).inspector.state_dict()


@pytest.fixture(scope="module")
def teacher(line_data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(line_data, tmp_path_factory.mktemp("teacher"))


def test_it_learns(line_data: Dataset, tmp_path: Path) -> None:
    fit_longer = FIT.model_copy(update={"epochs": 5, "samples_per_epoch": 96, "learning_rate": 0.004})
    settings = SETTINGS.model_copy(update={"fit": fit_longer})
    path = tmp_path / "teacher.safetensors"
    history = train_teacher(settings, line_data, path, partial=tmp_path / "p", seed=1, progress=quiet)
    losses = [loss for _epoch, loss, _auroc in history.rows]
    assert losses[-1] < 0.8 * losses[0]
    assert history.best_epoch == max(history.rows, key=lambda row: row[2])[0]
    assert f"epoch {history.best_epoch}" in load_checkpoint(path).lineage[0]


def test_a_seed_gives_the_same_weights(line_data: Dataset, teacher: Path, tmp_path: Path) -> None:
    again = weights(train(line_data, tmp_path))
    assert all(torch.equal(tensor, again[name]) for name, tensor in weights(teacher).items())


def test_a_killed_training_ends_with_the_same_weights(line_data: Dataset, teacher: Path, tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def kill_in_epoch_two(what: str, done: int, _of: int) -> None:
        if "2/2" in what and done == 2:
            raise KilledError

    with pytest.raises(KilledError):
        train(line_data, tmp_path, progress=kill_in_epoch_two)
    assert (tmp_path / "partial" / "state.pt").exists()
    seen: list[str] = []
    again = weights(train(line_data, tmp_path, progress=lambda what, _done, _of: seen.append(what)))
    assert all("2/2" in what for what in seen), "the first epoch is not repeated"
    assert all(torch.equal(tensor, again[name]) for name, tensor in weights(teacher).items())


def _job(data: Dataset, inspector: Inspector) -> Job:
    return Job(
        name="distill",
        inspector=inspector,
        dataset=data,
        settings=FIT,
        loss=label_loss,
        device=torch.device("cpu"),
        seed=0,
        partial=None,
        progress=quiet,
    )


def test_nan_stops_and_names_the_step(line_data: Dataset, teacher: Path) -> None:
    job = _job(line_data, load_checkpoint(teacher).inspector)
    job = replace(job, loss=lambda logits, batch: label_loss(logits, batch) * float("nan"))
    with pytest.raises(RecipeError, match="distill: the loss became nan in epoch 1"):
        fit(job)


def test_labels_without_masks_train_too(line_data: Dataset, tmp_path: Path) -> None:
    samples = tuple(
        replace(sample, mask=None) if sample.defective and index % 2 else sample
        for index, sample in enumerate(line_data.samples)
    )
    assert load_checkpoint(train(replace(line_data, samples=samples), tmp_path)).parameters > 0


@pytest.mark.parametrize(("every", "crop", "shown"), [(4, 64, "masked"), (1, None, "all")])
def test_a_few_missing_masks_do_not_cost_the_crops(
    line_data: Dataset, teacher: Path, every: int, crop: int | None, shown: str
) -> None:
    bad = [sample.path for sample in line_data.of("train") if sample.defective]
    gone = set(bad[::every])
    data = replace(line_data, samples=tuple(replace(s, mask=None) if s.path in gone else s for s in line_data.samples))
    trainer = _Trainer(_job(data, load_checkpoint(teacher).inspector))
    assert trainer.maker.settings.crop == crop
    left_out = {sample.path for sample in data.of("train")} - {sample.path for sample in trainer.samples}
    assert left_out == (gone if shown == "masked" else set())


def test_draws_are_half_defective_and_prefer_hard_good_parts(line_data: Dataset) -> None:
    samples = line_data.of("train")
    good = [index for index, sample in enumerate(samples) if not sample.defective]
    hardness = [0.0] * len(samples)
    hardness[good[0]] = 1.0
    drawn = _draw(samples, hardness, 4000, seed=0, epoch=1)
    defective = np.array([samples[index].defective for index in drawn])
    assert defective.mean() == pytest.approx(0.5, abs=0.01)
    counts = np.bincount(drawn, minlength=len(samples))
    assert counts[good[0]] > 3 * np.median(counts[good[1:]])


def context(data: Dataset, teacher: Path, folder: Path) -> ModuleContext:
    return ModuleContext(
        dataset=data,
        teacher=teacher,
        target_file=folder / "made.safetensors",
        partial=folder / "partial",
        device="cpu",
        seed=0,
        progress=quiet,
    )


def test_distill_then_prune(line_data: Dataset, teacher: Path, tmp_path: Path) -> None:
    student = DistillStep(network={"family": "plain", "width": 8, "depth": 2}, fit=FIT, input_size=(96, 96))
    DISTILL.apply(teacher, student, context(line_data, teacher, tmp_path))
    distilled = load_checkpoint(tmp_path / "made.safetensors")
    assert (distilled.frame.height, distilled.frame.width) == (96, 96)
    pruned_folder = tmp_path / "pruned"
    PRUNE.apply(
        tmp_path / "made.safetensors",
        PruneStep(ratio=0.4, round_to=4, fit=FIT),
        context(line_data, teacher, pruned_folder),
    )
    pruned = load_checkpoint(pruned_folder / "made.safetensors")
    assert pruned.parameters < 0.8 * distilled.parameters
    assert [line.split()[0] for line in pruned.lineage] == ["teacher", "distill", "prune"]


def test_pruning_that_removes_nothing_says_so(line_data: Dataset, teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="removes nothing"):
        PRUNE.apply(teacher, PruneStep(ratio=0.01, round_to=64, fit=FIT), context(line_data, teacher, tmp_path))
