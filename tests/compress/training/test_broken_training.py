"""A training that breaks down leaves its best weights as a file that any later step takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from beltline.compress.checkpoint import load_checkpoint
from beltline.compress.methods.distill import students
from beltline.compress.methods.prune import METHOD as PRUNE
from beltline.compress.methods.quantize_aware import METHOD as QUANTIZE_AWARE
from beltline.compress.methods.sparsify import METHOD as SPARSIFY
from beltline.compress.methods.sparsify.masked_training import two_of_four
from beltline.compress.recipe import ModuleContext
from beltline.compress.training.fit_settings import AugmentationSettings, FitSettings
from beltline.compress.training.loop import LAST_GOOD, Job, fit
from beltline.compress.training.losses import Batch
from beltline.inspection.base.errors import RecipeError
from beltline.inspection.data.dataset import Dataset
from breaking_loss import BreakingLoss
from torch import Tensor

FIT = FitSettings(epochs=3, samples_per_epoch=16, batch=8, augmentation=AugmentationSettings(crop=64))
SOUND_STEPS = 3
"""An epoch has two, so that the first one is whole."""


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the loss that students learn by become no number after some steps."""
    taught = students.taught

    @contextmanager
    def broken(*arguments: Any) -> Iterator[Any]:
        with taught(*arguments) as (loss, alongside):
            yield BreakingLoss(loss, steps=SOUND_STEPS), alongside

    monkeypatch.setattr(students, "taught", broken)


@pytest.mark.usefixtures("breaking")
@pytest.mark.parametrize(
    ("method", "settings"),
    [(SPARSIFY, {}), (QUANTIZE_AWARE, {}), (PRUNE, {"ratio": 0.3, "round_to": 1})],
    ids=["sparsify", "quantize_aware", "prune"],
)
def test_the_best_weights_are_a_plain_checkpoint(
    line_data: Dataset, tiny_checkpoint: Path, tmp_path: Path, method: Any, settings: dict[str, Any]
) -> None:
    context = ModuleContext(
        dataset=line_data,
        teacher=tiny_checkpoint,
        target_file=tmp_path / "never.safetensors",
        partial=tmp_path,
        device="cpu",
        seed=1,
        progress=lambda *_: None,
    )
    with pytest.raises(RecipeError, match=f"nan in epoch 2, step 2 of 2; the best epoch .*kept as .*{LAST_GOOD}"):
        method.apply(tiny_checkpoint, method.step_type(fit=FIT, **settings), context)
    kept, given = load_checkpoint(tmp_path / LAST_GOOD), load_checkpoint(tiny_checkpoint)
    weights, before = kept.inspector.state_dict(), given.inspector.state_dict()
    assert kept.lineage[-1].startswith(f"{method.name} stopped in epoch 2")
    assert weights.keys() == before.keys()
    assert all(bool(torch.isfinite(tensor).all()) for tensor in weights.values())
    assert any(tensor.shape != before[name].shape or not tensor.equal(before[name]) for name, tensor in weights.items())
    if method is SPARSIFY:
        weight = weights["network.stages.0.0.0.weight"]
        assert torch.equal(weight != 0, (weight != 0) & two_of_four(weight).bool())
    assert not context.target_file.exists()


@pytest.mark.parametrize(("crop", "more"), [(64, ""), (None, r", or fit\.augmentation\.crop: 256")])
def test_a_batch_that_does_not_fit_into_memory_is_answered_with_one_that_may(
    line_data: Dataset, tiny_checkpoint: Path, crop: int | None, more: str
) -> None:
    def greedy(logits: Tensor, _: Batch) -> Tensor:
        return logits.sum() + torch.ones(1 << 46).sum()  # 256 TiB: no machine has them

    fit_settings = FIT.model_copy(update={"augmentation": AugmentationSettings(crop=crop)})
    job = Job(
        name="teacher",
        inspector=load_checkpoint(tiny_checkpoint).inspector,
        dataset=line_data,
        settings=fit_settings,
        loss=greedy,
        device=torch.device("cpu"),
        seed=1,
        partial=None,
        progress=lambda *_: None,
    )
    message = rf"teacher: 8 views of 64 x \d+ px at once do not fit .*memory of cpu; write fit\.batch: 4{more}, or"
    with pytest.raises(RecipeError, match=message):
        fit(job)


def test_other_failures_are_not_taken_for_too_little_memory(line_data: Dataset, tiny_checkpoint: Path) -> None:
    def wrong(logits: Tensor, _: Batch) -> Tensor:
        return logits @ torch.ones(3, 3)

    job = Job(
        name="teacher",
        inspector=load_checkpoint(tiny_checkpoint).inspector,
        dataset=line_data,
        settings=FIT,
        loss=wrong,
        device=torch.device("cpu"),
        seed=1,
        partial=None,
        progress=lambda *_: None,
    )
    with pytest.raises(RuntimeError, match=r"shapes|size"):
        fit(job)
