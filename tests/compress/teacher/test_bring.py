"""A user's own teacher: three kinds of output, weights in two forms, and what can be wrong with them."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest
import torch
from beltline.compress.checkpoint import load_checkpoint
from beltline.compress.teacher.settings import TeacherSettings
from beltline.compress.teacher.teacher import take_teacher
from beltline.inspection.base.errors import LineFileError, WeightsError
from beltline.inspection.data.dataset import Dataset
from safetensors.torch import save_file

MODELS = """
import torch
from torch import nn

def mask():
    torch.manual_seed(0)
    return nn.Conv2d(1, 1, 3, 8, 1)

def classes():
    torch.manual_seed(0)
    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16, 3))

class Strange(nn.Module):
    def __init__(self):
        super().__init__()
        self.centre = nn.Parameter(torch.tensor(0.2))

    def forward(self, pixels):
        return nn.functional.avg_pool2d((pixels - self.centre).abs(), 8)

def anomaly():
    return Strange()

def number():
    return 3
"""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "their_models.py").write_text(MODELS)
    sys.modules.pop("their_models", None)
    return folder


def state(models: Path, function: str) -> dict[str, torch.Tensor]:
    scope: dict[str, object] = {"__name__": "their_models"}
    exec(compile((models / "their_models.py").read_text(), "their_models", "exec"), scope)
    made = scope[function]
    assert callable(made)
    module = made()
    assert isinstance(module, torch.nn.Module)
    return module.state_dict()


def settings(models: Path, function: str, output: str, weights: Path, **more: object) -> TeacherSettings:
    given = {"factory": f"their_models:{function}", "folder": models, "output": output, "weights": weights}
    return TeacherSettings.model_validate({"normalisation": "data", **given, **more})


def take(teacher: TeacherSettings, data: Dataset, target: Path, *, learns: bool = False) -> list[str]:
    """Take a teacher and give what was said of it."""
    notes: list[str] = []
    take_teacher(teacher, data, target, learns=learns, notify=notes.append)
    return notes


def decision(path: Path, frame: torch.Tensor) -> tuple[float, torch.Tensor]:
    with torch.inference_mode():
        score, heatmap = load_checkpoint(path).inspector(frame)
    return float(score), heatmap


@pytest.mark.parametrize(
    ("function", "output"), [("mask", "mask_logit"), ("classes", "class_logits"), ("anomaly", "anomaly_map")]
)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_each_kind_of_output_becomes_an_inspector(
    line_data: Dataset, models: Path, tmp_path: Path, function: str, output: str, suffix: str
) -> None:
    weights = tmp_path / f"weights{suffix}"
    tensors = state(models, function)
    save_file(tensors, weights) if suffix == ".safetensors" else torch.save(tensors, weights)
    target = tmp_path / "teacher.safetensors"
    take(settings(models, function, output, weights), line_data, target)
    score, heatmap = decision(target, torch.full((128, 128, 1), 90, dtype=torch.uint8))
    assert 0 <= score <= 1
    assert heatmap.dtype == torch.uint8
    assert heatmap.ndim == 2


def test_anomalies_are_brought_to_a_scale_that_good_parts_are_low_on(
    line_data: Dataset, models: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.pt"
    torch.save(state(models, "anomaly"), weights)
    take(settings(models, "anomaly", "anomaly_map", weights), line_data, tmp_path / "t.safetensors")
    odd = torch.zeros((128, 128, 1), dtype=torch.uint8)
    odd[40:80, 40:80] = 255
    plain = torch.full((128, 128, 1), 90, dtype=torch.uint8)
    target = tmp_path / "t.safetensors"
    assert decision(target, odd)[0] > decision(target, plain)[0]


@pytest.mark.parametrize(
    ("function", "output", "error", "message"),
    [
        ("mask", "class_logits", WeightsError, "class_logits"),
        ("missing", "mask_logit", LineFileError, "cannot be loaded"),
        ("number", "mask_logit", LineFileError, "must return a torch.nn.Module"),
    ],
)
def test_a_factory_that_does_not_fit_is_named(
    line_data: Dataset, models: Path, tmp_path: Path, function: str, output: str, error: type[Exception], message: str
) -> None:
    weights = tmp_path / "weights.pt"
    torch.save(state(models, "mask"), weights)
    with pytest.raises(error, match=message):
        take(settings(models, function, output, weights), line_data, tmp_path / "t.safetensors")


def test_weights_of_another_module_are_refused(line_data: Dataset, models: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    torch.save(state(models, "classes"), weights)
    with pytest.raises(WeightsError, match="does not fit"):
        take(settings(models, "mask", "mask_logit", weights), line_data, tmp_path / "t.safetensors")


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('the trap went off')",))


def test_a_pickle_with_code_in_it_never_runs(line_data: Dataset, models: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    torch.save({"weight": Trap()}, weights)
    with pytest.raises(WeightsError, match="never loaded"):
        take(settings(models, "mask", "mask_logit", weights), line_data, tmp_path / "t.safetensors")
    weights.write_bytes(pickle.dumps(Trap(), protocol=2))
    with pytest.raises(WeightsError):
        take(settings(models, "mask", "mask_logit", weights), line_data, tmp_path / "t.safetensors")
    assert not (tmp_path / "t.safetensors").exists()
