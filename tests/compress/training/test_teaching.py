"""A student beside its teacher, with every term and ramp: the same weights after a kill, and nothing left over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from beltline.compress.checkpoint import load_checkpoint
from beltline.compress.methods.distill import METHOD as DISTILL
from beltline.compress.methods.distill.settings import DistillStep
from beltline.compress.recipe import ModuleContext
from beltline.compress.training.fit_settings import AugmentationSettings, FitSettings
from beltline.compress.training.teacher_terms import DistillWeights
from beltline.compress.training.teaching import taught
from beltline.inspection.data.dataset import Dataset

FIT = FitSettings(
    epochs=2, samples_per_epoch=32, batch=8, augmentation=AugmentationSettings(crop=64), ema=0.9, stop_at_overkill=0.2
)
EVERYTHING = {
    "features": {"weight": 0.5},
    "ramps": {"score": {"start": 1, "end": 0}, "features": {"start": 0, "end": 1, "until": 0.5}},
}
STUDENT = DistillStep(
    network={"family": "plain", "width": 8, "depth": 1},
    fit=FIT,
    teacher=DistillWeights.model_validate(EVERYTHING),
    input_size=(96, 96),
)


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def teacher(line_data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not trained: what it says is arbitrary, and the same each time."""
    from beltline.compress.checkpoint import Checkpoint, save_checkpoint
    from beltline.compress.networks.base.families import build_network
    from beltline.compress.networks.base.inspector import Inspector
    from beltline.compress.teacher.frames import frame_spec

    torch.manual_seed(4)
    network, frame = {"family": "plain", "width": 12, "depth": 1}, frame_spec(line_data)
    inspector = Inspector(build_network(network, frame.channels), frame)
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_checkpoint(path, Checkpoint(network=network, frame=frame, lineage=("made for a test",), inspector=inspector))
    return path


def distilled(data: Dataset, teacher: Path, folder: Path, *, step: DistillStep = STUDENT, kill: str = "") -> Path:
    def progress(what: str, done: int, _of: int) -> None:
        if kill and kill in what and done == 2:
            raise KilledError

    context: dict[str, Any] = {"dataset": data, "teacher": teacher, "device": "cpu", "seed": 0, "progress": progress}
    made = folder / "made.safetensors"
    DISTILL.apply(teacher, step, ModuleContext(target_file=made, partial=folder / "partial", **context))
    return made


def test_a_kill_changes_nothing_with_adapters_ramps_and_counted_escapes(
    line_data: Dataset, teacher: Path, tmp_path: Path
) -> None:
    whole = distilled(line_data, teacher, tmp_path / "whole")
    with pytest.raises(KilledError):
        distilled(line_data, teacher, tmp_path / "killed", kill="2/2")
    state = torch.load(tmp_path / "killed" / "partial" / "state.pt", weights_only=True)
    assert len(state["alongside"]) == 10, "five adapters, weight and bias each"
    again = distilled(line_data, teacher, tmp_path / "killed")
    assert whole.read_bytes() == again.read_bytes()
    names = load_checkpoint(again).inspector.state_dict()
    assert names
    assert not any("adapter" in name for name in names)


@pytest.mark.parametrize("changed", [{"features": None}, {"ramps": {}}], ids=str)
def test_each_of_them_has_an_effect(
    line_data: Dataset, teacher: Path, tmp_path: Path, changed: dict[str, object]
) -> None:
    one_epoch = STUDENT.model_copy(update={"fit": FIT.model_copy(update={"epochs": 1})})
    other = one_epoch.model_copy(update={"teacher": DistillWeights.model_validate({**EVERYTHING, **changed})})
    made = [
        load_checkpoint(distilled(line_data, teacher, tmp_path / str(place), step=step)).inspector.state_dict()
        for place, step in enumerate((one_epoch, other))
    ]
    assert not torch.equal(made[0]["network.stem.0.weight"], made[1]["network.stem.0.weight"])


def test_a_silent_teacher_is_not_even_read(tmp_path: Path, teacher: Path) -> None:
    student, nothing = load_checkpoint(teacher).inspector, DistillWeights(score=0, heatmap=0)
    with taught("distill", tmp_path / "absent", student, nothing, torch.device("cpu")) as (_, alongside):
        assert not list(alongside.parameters())


def test_listening_ends_with_the_training(teacher: Path) -> None:
    student = load_checkpoint(teacher).inspector
    weights = DistillWeights.model_validate({"features": {}})

    def listened_to() -> bool:
        return any(module._forward_hooks for module in student.modules())

    with taught("distill", teacher, student, weights, torch.device("cpu")) as (_, alongside):
        assert listened_to()
        assert list(alongside.parameters())
    assert not listened_to()
