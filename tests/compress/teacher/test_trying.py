"""What users bring, on real frames: read as they say, or refused with the line to write, before anything is built."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from beltline.compress.checkpoint import load_checkpoint
from beltline.compress.teacher.settings import TeacherSettings
from beltline.compress.teacher.teacher import take_teacher
from beltline.inspection.base.errors import LineFileError, WeightsError
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.settings import DataSettings
from torch import nn

MODELS = """
from types import SimpleNamespace

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, head):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Conv2d(1, 4, 3, 8, 1)
        self.head = head

    def forward(self, pixels):
        return self.head(self.body(pixels))


class Head(nn.Module):
    def __init__(self, classes, end):
        super().__init__()
        torch.manual_seed(1)
        self.last = nn.Conv2d(4, classes, 1)
        self.last.weight.data *= 10
        self.end = end

    def forward(self, maps):
        return self.end(self.last(maps), self)


def pooled(maps):
    return maps.mean(dim=(2, 3))


def net(classes, end):
    return Net(Head(classes, end))


def mask():
    return net(1, lambda maps, _: maps)

def mask_sigmoid():
    return net(1, lambda maps, _: maps.sigmoid())

def mask_squeezed():
    return net(1, lambda maps, _: maps[:, 0])

def mask_two():
    return net(2, lambda maps, _: maps)

def mask_two_softmax():
    return net(2, lambda maps, _: maps.softmax(dim=1))

def one_logit():
    return net(1, lambda maps, _: pooled(maps))

def one_flat():
    return net(1, lambda maps, _: pooled(maps)[:, 0])

def one_sigmoid():
    return net(1, lambda maps, _: pooled(maps).sigmoid())

def classes():
    return net(3, lambda maps, _: pooled(maps))

def classes_softmax():
    return net(3, lambda maps, _: pooled(maps).softmax(dim=1))

def dictionary():
    return net(1, lambda maps, _: {"out": maps, "aux": maps * 2, "name": "me"})

def pair():
    return net(1, lambda maps, _: (pooled(maps), maps))

def attributes():
    return net(1, lambda maps, _: SimpleNamespace(logits=maps, loss=None))

def auxiliary():
    return net(1, lambda maps, head: [maps, maps] if head.training else maps)

def text():
    return net(1, lambda maps, _: "good")

def no_batch():
    return net(1, lambda maps, _: maps.view(1, 1, 16, 16))

def first_only():
    return net(1, lambda maps, _: maps[:1])

def tiny_map():
    return net(1, lambda maps, _: maps[:, :, :2, :2])

def not_numbers():
    return net(1, lambda maps, _: maps * float("nan"))

def fails():
    return net(1, lambda maps, _: maps.nothing_here)

def fails_learning():
    return net(1, lambda maps, head: maps.nothing_here if head.training else maps)

def fixed_size():
    def end(maps, _):
        assert maps.shape[-1] == 28, "Input height doesn't match model"
        return maps
    return net(1, end)

def frozen():
    made = mask()
    made.body.requires_grad_(False)
    return made

class Undifferentiated(Net):
    def forward(self, pixels):
        with torch.no_grad():
            maps = self.body(pixels)
        return self.head(maps)

def half_hidden():
    return Undifferentiated(mask().head)

class Hidden(Net):
    @torch.no_grad()
    def forward(self, pixels):
        return self.head(self.body(pixels))

def hidden():
    return Hidden(mask().head)

class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(1, 1, 3, 8, 1)
        self.other = self.one

    def forward(self, pixels):
        return self.one(pixels) + self.other(pixels)

def tied():
    return Tied()

def raises():
    raise OSError("no licence for this model")

def ends():
    raise SystemExit(0)

class Ends(nn.Conv2d):
    def forward(self, pixels):
        raise SystemExit(0)

def ends_later():
    return Ends(1, 1, 3, 8, 1)

def colours():
    made = nn.Conv2d(3, 1, 1, 8)
    made.weight.data = torch.tensor([[[[1.0]], [[10.0]], [[100.0]]]])
    made.bias.data = torch.tensor([-3.0])
    return made
"""

Take = Callable[..., tuple[torch.nn.Module, list[str]]]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "brought_models.py").write_text(MODELS)
    sys.modules.pop("brought_models", None)
    return folder


@pytest.fixture
def take(own: Path, line_data: Dataset, tmp_path: Path) -> Take:
    """Take a teacher by its function's name; gives the inspector as a run reads it back, and what was said."""

    def taken(function: str, *, learns: bool = True, data: Dataset = line_data, **keys: Any) -> Any:
        sys.path.insert(0, str(own))
        try:
            module = getattr(importlib.import_module("brought_models"), function)()
        except (OSError, SystemExit):
            module = nn.Module()
        finally:
            sys.path.remove(str(own))
        torch.save(module.state_dict(), tmp_path / "w.pt")
        given = {"factory": f"brought_models:{function}", "folder": own, "weights": tmp_path / "w.pt"}
        normal = {} if "mean" in keys else {"normalisation": "unit"}
        settings = TeacherSettings.model_validate({**given, **normal, **keys})
        notes: list[str] = []
        take_teacher(settings, data, tmp_path / "t.safetensors", learns=learns, notify=notes.append)
        return load_checkpoint(tmp_path / "t.safetensors").inspector, notes

    return taken


def logits(inspector: Any, pixels: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        made: torch.Tensor = inspector.network(pixels)
    return made


PIXELS = torch.rand(2, 1, 128, 128, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("function", "keys", "like"),
    [
        ("mask", {"output": "mask_logit"}, "mask"),
        ("mask_squeezed", {"output": "mask_logit"}, "mask"),
        ("mask_sigmoid", {"output": "mask_probability"}, "mask"),
        ("dictionary", {"output": "mask_logit", "output_at": "out"}, "mask"),
        ("pair", {"output": "mask_logit", "output_at": 1}, "mask"),
        ("attributes", {"output": "mask_logit", "output_at": "logits"}, "mask"),
        ("mask_two_softmax", {"output": "mask_class_probabilities"}, "mask_two"),
        ("one_logit", {"output": "class_logits"}, "one"),
        ("one_flat", {"output": "class_logits"}, "one"),
        ("one_sigmoid", {"output": "class_probabilities"}, "one"),
        ("classes_softmax", {"output": "class_probabilities"}, "classes"),
    ],
)
def test_each_form_of_an_output_gives_the_same_logits(
    take: Take, function: str, keys: dict[str, object], like: str
) -> None:
    plain = {"mask": "mask", "mask_two": "mask_two", "one": "one_logit", "classes": "classes"}[like]
    kind = {"mask": "mask_logit", "mask_two": "mask_class_logits"}.get(like, "class_logits")
    wanted = logits(take(plain, output=kind)[0], PIXELS)
    assert wanted.shape[1] == 1
    torch.testing.assert_close(logits(take(function, **keys)[0], PIXELS), wanted, rtol=1e-3, atol=1e-4)


def test_one_logit_of_a_class_head_is_the_defects_unless_it_is_said_to_be_the_good_parts(take: Take) -> None:
    found = logits(take("one_logit", output="class_logits")[0], PIXELS)
    assert bool(torch.isfinite(found).all())
    turned = logits(take("one_logit", output="class_logits", good_class=1)[0], PIXELS)
    torch.testing.assert_close(turned, -found)


def test_the_good_class_may_stand_anywhere(take: Take) -> None:
    inspector, _ = take("classes", output="class_logits", good_class=2)
    raw = inspector.network.inner(PIXELS)
    wanted = torch.logsumexp(raw[:, :2], dim=1) - raw[:, 2]
    torch.testing.assert_close(logits(inspector, PIXELS)[:, 0, 0, 0], wanted.detach())


@pytest.mark.parametrize(
    ("function", "keys", "message"),
    [
        ("mask_sigmoid", {"output": "mask_logit"}, "probabilities, not logits .*write output: mask_probability"),
        ("mask_two_softmax", {"output": "mask_class_logits"}, "sum to 1.*write output: mask_class_probabilities"),
        ("one_sigmoid", {"output": "class_logits"}, "write output: class_probabilities"),
        ("classes_softmax", {"output": "class_logits"}, "sum to 1.*write output: class_probabilities"),
        (
            "mask",
            {"output": "mask_probability"},
            "should give probabilities, got values from -.*write output: mask_logit",
        ),
        ("classes", {"output": "class_probabilities"}, "write output: class_logits"),
        ("mask_two", {"output": "mask_logit"}, r"\[2, 2, 16, 16\], which is no mask_logit; write output: mask_class_l"),
        ("mask_two", {"output": "anomaly_map"}, "which is no anomaly_map; write output: mask_class_logits"),
        ("classes", {"output": "mask_logit"}, "write output: class_logits"),
        ("mask", {"output": "class_logits"}, "write output: mask_logit"),
        ("classes", {"output": "class_logits", "good_class": 3}, "gives 3 classes; good_class must be below that"),
        ("dictionary", {}, r"returns out \[1, 1, 16, 16\], aux \[1, 1, 16, 16\].*write output_at: out"),
        ("dictionary", {"output_at": "mask"}, "nothing at output_at: mask in it; write output_at: out"),
        ("pair", {}, r"returns 0 \[1, 1\], 1 \[1, 1, 16, 16\]; .*write output_at: 0"),
        ("attributes", {}, "write output_at: logits"),
        ("auxiliary", {}, "in training mode returns .*write output_at: 0"),
        ("text", {}, "returns str, wanted a tensor"),
        ("no_batch", {}, r"fails on two frames at once.*one frame alone works: let its forward take a batch"),
        ("first_only", {}, r"gives \[1, 1, 16, 16\] for 2 frames"),
        ("tiny_map", {}, r"a map of \[2, 2\], wanted at least 3 x 3 cells"),
        ("not_numbers", {}, "nan or infinity on real frames"),
        (
            "fails",
            {},
            r"nothing_here.*\(brought_models\.py, line \d+: return net",
        ),
        ("fails_learning", {}, "fails on two frames in training mode.*nothing_here"),
        ("fixed_size", {}, r"doesn't match model.*write input_size: \[224, 224\]"),
        ("hidden", {}, "get no gradient, such as body.weight.*take no_grad out of its forward"),
        ("colours", {"mean": [0.5], "std": [0.2]}, "fails on one frame"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_line_to_write(
    take: Take, tmp_path: Path, function: str, keys: dict[str, object], message: str
) -> None:
    with pytest.raises(WeightsError, match=message):
        take(function, **keys)
    assert not (tmp_path / "t.safetensors").exists()


def test_the_ways_out_lead_out(take: Take) -> None:
    assert take("auxiliary", output_at=0)[1] == []
    assert take("fixed_size", input_size=(224, 224))[0].frame.height == 224


def test_what_cannot_learn_can_still_be_quantized(take: Take) -> None:
    for function, message in (("fails_learning", "not pruned"), ("hidden", "get no gradient")):
        _, notes = take(function, learns=False)
        assert len(notes) == 1
        assert message in notes[0]


def test_what_a_factory_froze_is_free_and_what_no_grad_hides_is_named(take: Take) -> None:
    inspector, notes = take("frozen")
    assert notes == []
    assert all(parameter.requires_grad for parameter in inspector.parameters())
    _, notes = take("half_hidden")
    assert len(notes) == 1
    assert "2 of the parameters" in notes[0]
    assert "body.weight" in notes[0]


def test_numbers_that_two_names_share_are_kept(take: Take) -> None:
    inspector, _ = take("tied")
    assert inspector.network.inner.one is inspector.network.inner.other


def test_a_factory_that_raises_is_one_sentence_with_its_own_line(take: Take) -> None:
    with pytest.raises(LineFileError, match=r"OSError: no licence for this model \(brought_models\.py, line \d+"):
        take("raises")


@pytest.mark.parametrize("function", ["ends", "ends_later"])
def test_code_that_ends_the_program_ends_no_run_with_exit_0(take: Take, function: str) -> None:
    with pytest.raises((LineFileError, WeightsError), match=r"SystemExit: 0 \(brought_models\.py, line \d+"):
        take(function)


def test_a_network_of_three_channels_on_grey_frames_is_told_the_key(take: Take) -> None:
    with pytest.raises(WeightsError, match=r"frames of 3 channels work: write data\.channels: 3"):
        take("colours")


def test_trying_leaves_the_module_as_it_was(take: Take) -> None:
    inspector, _ = take("mask")
    assert all(parameter.grad is None for parameter in inspector.parameters())
    assert not inspector.training


@pytest.fixture(scope="module")
def colour_data(line_data: Dataset) -> Dataset:
    return load_dataset(DataSettings(root=line_data.root, reader="labels_csv", channels=3))


def test_normalisation_and_channel_order_are_kept_in_the_checkpoint(take: Take, colour_data: Dataset) -> None:
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 0.2)
    rgb, _ = take("colours", data=colour_data, mean=mean, std=std)
    bgr, _ = take("colours", data=colour_data, mean=mean[::-1], std=std[::-1], channels="bgr")
    assert rgb.frame.mean == bgr.frame.mean == mean
    assert rgb.frame.std == bgr.frame.std == std
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(logits(bgr, pixels), logits(rgb, pixels.flip(1)))
    assert take("colours", data=colour_data, normalisation="imagenet")[0].frame.mean == (0.485, 0.456, 0.406)
    assert take("colours", data=colour_data, normalisation="unit")[0].frame.std == (1.0, 1.0, 1.0)
    measured = take("colours", data=colour_data, normalisation="data")[0].frame
    assert measured.mean[0] == measured.mean[2]
    assert 0.05 < measured.mean[0] < 0.95
    with pytest.raises(LineFileError, match=r"mean has 1 values, .*write data\.channels: 1"):
        take("colours", data=colour_data, mean=(0.5,), std=(0.2,))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "write normalisation: imagenet"),
        ({"mean": [0.5]}, "mean and std go together"),
        ({"mean": [0.5], "std": [0.2, 0.2]}, "one value per channel"),
        ({"mean": [0.5], "std": [0.2], "normalisation": "unit"}, "keep one of the two"),
        ({"mean": [0.5], "std": [0.0]}, "std must be > 0"),
        ({"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}, r"write \[0\.485, 0\.456, 0\.406\]"),
    ],
)
def test_normalisation_is_asked_for(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TeacherSettings.model_validate({"factory": "a:b", "weights": "w.pt", **keys})


def test_what_only_a_factory_has_is_refused_elsewhere() -> None:
    with pytest.raises(ValueError, match="channels, normalisation only go with factory or onnx"):
        TeacherSettings.model_validate({"weights": "w.safetensors", "normalisation": "unit", "channels": "bgr"})
