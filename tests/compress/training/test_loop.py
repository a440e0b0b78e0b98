"""Training with real networks on a small synthetic line: it learns, resumes, repeats itself and stops on NaN."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from beltline.compress.checkpoint import load_checkpoint
from beltline.compress.methods.distill import METHOD as DISTILL
from beltline.compress.methods.distill.settings import DistillStep
from beltline.compress.methods.prune import METHOD as PRUNE
from beltline.compress.methods.prune.settings import PruneStep
from beltline.compress.networks.base.families import build_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.compress.recipe import ModuleContext
from beltline.compress.teacher.settings import TeacherSettings
from beltline.compress.teacher.teacher import train_teacher
from beltline.compress.training import loop
from beltline.compress.training.fit_settings import AugmentationSettings, FitSettings
from beltline.compress.training.loop import LAST_GOOD, History, Job, _Trainer, fit
from beltline.compress.training.losses import Batch, label_loss
from beltline.compress.training.processes import Team
from beltline.compress.training.scores import batch_scores
from beltline.inspection.base.errors import RecipeError
from beltline.inspection.data.dataset import Dataset
from breaking_loss import BreakingLoss

FIT = FitSettings(epochs=2, samples_per_epoch=32, batch=8, augmentation=AugmentationSettings(crop=64))
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


@pytest.mark.parametrize("short", [None, torch.bfloat16])
def test_layers_may_multiply_in_short_floats_but_weights_and_sums_stay_whole(
    line_data: Dataset, teacher: Path, monkeypatch: pytest.MonkeyPatch, short: torch.dtype | None
) -> None:
    seen: set[torch.dtype] = set()

    def watched(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        seen.add(inspector.network(batch.pixels).dtype)
        assert logits.dtype == torch.float32
        return label_loss(logits, batch)

    monkeypatch.setattr(loop, "short_floats", lambda _device: short)
    torch.manual_seed(1)
    frame = load_checkpoint(teacher).frame
    inspector = Inspector(build_network({"family": "plain", "width": 8, "depth": 1}, frame.channels), frame)
    longer = FIT.model_copy(update={"epochs": 6, "samples_per_epoch": 64, "learning_rate": 0.004})
    history = fit(replace(_job(line_data, inspector), settings=longer, loss=watched))
    assert seen == {short or torch.float32}
    assert {weight.dtype for weight in inspector.parameters()} == {torch.float32}
    assert history.rows[-1][1] < 0.9 * history.rows[0][1]


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
    job = replace(_job(line_data, load_checkpoint(teacher).inspector), loss=BreakingLoss(label_loss, steps=2))
    message = (
        "distill: the loss became nan in epoch 1, step 3 of 4; no epoch was finished before it; lower fit.learning"
    )
    with pytest.raises(RecipeError, match=message):
        fit(job)


def test_nan_leaves_the_best_weights_as_a_checkpoint(line_data: Dataset, teacher: Path, tmp_path: Path) -> None:
    given, line = load_checkpoint(teacher), "best epoch before it is 1 .val AUROC 0"
    breaking = BreakingLoss(label_loss, steps=5)
    job = replace(_job(line_data, given.inspector), loss=breaking, as_checkpoint=lambda: given, partial=tmp_path)
    with pytest.raises(RecipeError, match=f"nan in epoch 2, step 2 of 4; the {line}.*kept as .*{LAST_GOOD}; lower"):
        fit(job)
    kept = load_checkpoint(tmp_path / LAST_GOOD)
    assert kept.lineage[:-1] == given.lineage
    assert kept.lineage[-1].startswith("distill stopped in epoch 2, step 2 of 4")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert all(torch.equal(tensor, state["best"][name]) for name, tensor in kept.inspector.state_dict().items())
    assert all(bool(torch.isfinite(tensor).all()) for tensor in state["best"].values())


def test_without_averaging_the_weights_themselves_are_kept(line_data: Dataset, teacher: Path) -> None:
    trainer = _Trainer(
        replace(
            _job(line_data, load_checkpoint(teacher).inspector),
            settings=FIT.model_copy(update={"ema": 0.0, "epochs": 1}),
        ),
        Team(),
    )
    trainer.epoch()
    pairs = zip(trainer.average.parameters(), trainer.model.parameters(), strict=True)
    assert all(torch.equal(mean, value) for mean, value in pairs)


def test_fewer_escapes_make_a_better_epoch_and_auroc_breaks_ties() -> None:
    history = History()
    kept = [history.take(1.0, area, escapes) for area, escapes in ((0.9, 5), (0.95, 7), (0.8, 4), (0.85, 4))]
    assert kept == [True, False, True, True]
    assert (history.best_epoch, history.best_auroc, history.best_escapes) == (4, 0.85, 4)
    assert history.best() == "val AUROC 0.8500, 4 escapes"
    by_area = History()
    assert [by_area.take(1.0, area, None) for area in (0.9, 0.95, 0.8)] == [True, True, False]


def test_escapes_are_counted_on_val_at_the_overkill_asked_for(line_data: Dataset, teacher: Path) -> None:
    settings = FIT.model_copy(update={"stop_at_overkill": 0.2, "epochs": 1})
    job = replace(_job(line_data, load_checkpoint(teacher).inspector), settings=settings)
    history = fit(job)
    val = line_data.of("val")
    scores = batch_scores(job.inspector, line_data, val, torch.device("cpu"))
    defective = np.array([sample.defective for sample in val])
    good = np.sort(scores[~defective])
    passed = [int((scores[defective] < cut).sum()) for cut in (good[int(0.75 * len(good))], good[-1])]
    assert passed[0] <= history.escapes[0] <= passed[1]
    assert history.best_escapes == history.escapes[0]


def test_labels_without_masks_train_too(line_data: Dataset, tmp_path: Path) -> None:
    samples = tuple(
        replace(sample, mask=None) if sample.defective and index % 2 else sample
        for index, sample in enumerate(line_data.samples)
    )
    assert load_checkpoint(train(replace(line_data, samples=samples), tmp_path)).parameters > 0


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
    with pytest.raises(RecipeError, match=r"no layer of this network can be pruned in steps of 64 channels"):
        PRUNE.apply(teacher, PruneStep(ratio=0.01, round_to=64, fit=FIT), context(line_data, teacher, tmp_path))
