"""Weights under other trainers' names: taken where every name and shape agrees, else refused with what to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from beltline.compress.state_dicts import read_tensors, state_for
from beltline.inspection.base.errors import WeightsError
from safetensors.torch import save_model
from torch import Tensor, nn


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 1))


def named(prefix: str, *, scale: float = 1.0) -> dict[str, Tensor]:
    return {prefix + name: tensor * scale for name, tensor in network().state_dict().items()}


def found(tmp_path: Path, content: Any, *, at: str | None = None) -> Any:
    torch.save(content, tmp_path / "w.pt")
    return state_for(network().state_dict(), tmp_path / "w.pt", at=at)


@pytest.mark.parametrize(
    "content",
    [
        named(""),
        named("model."),
        named("module."),
        named("_orig_mod."),
        named("module._orig_mod.encoder."),
        {"state_dict": named("")},
        {"model": named("module."), "epoch": 3, "args": {"lr": 0.1}},
        {"state_dict": {**named("model."), "loss.weight": torch.ones(3)}, "pytorch-lightning_version": "2.4"},
        {"checkpoint": {"model_state_dict": named("net.")}},
        {"n_averaged": torch.tensor(4), **named("module.")},
        {"optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}, "model": named("")},
    ],
    ids=lambda content: ",".join(content)[:60],
)
def test_weights_are_found_under_other_names(tmp_path: Path, content: Any) -> None:
    state = found(tmp_path, content)
    wanted = network()
    wanted.load_state_dict(state.tensors)
    torch.testing.assert_close(state.tensors["0.weight"], network().state_dict()["0.weight"])


def test_marks_inside_names_come_off_too(tmp_path: Path) -> None:
    inner = {name.replace("0.", "0._orig_mod.", 1): each for name, each in named("").items()}
    assert "0.weight" in found(tmp_path, inner).tensors


def test_a_prefix_that_only_the_network_has_is_put_on(tmp_path: Path) -> None:
    torch.save(named(""), tmp_path / "w.pt")
    wrapped = {f"model.{name}": each for name, each in network().state_dict().items()}
    assert state_for(wrapped, tmp_path / "w.pt").tensors.keys() == wrapped.keys()


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    state = found(tmp_path, {"state_dict": {**named("model."), "loss.weight": torch.ones(3)}})
    assert state.notes == ("1 tensors outside 'model.' are left out, such as loss.weight",)


def test_of_two_sets_that_fit_one_must_be_named(tmp_path: Path) -> None:
    both = {"state_dict": named(""), "state_dict_ema": named("", scale=2)}
    with pytest.raises(WeightsError, match="2 sets of weights fit, at state_dict, state_dict_ema; write weights_at"):
        found(tmp_path, both)
    chosen = found(tmp_path, both, at="state_dict_ema")
    torch.testing.assert_close(chosen.tensors["0.weight"], 2 * network().state_dict()["0.weight"])
    assert "state_dict fit too" in chosen.notes[0]
    with pytest.raises(WeightsError, match="no weights that fit stand at 'ema'"):
        found(tmp_path, both, at="ema")
    side_by_side = {**named("model."), **named("model_ema.", scale=2)}
    with pytest.raises(WeightsError, match="2 sets of weights fit"):
        found(tmp_path, side_by_side)
    taken = found(tmp_path, side_by_side, at="model_ema").tensors
    torch.testing.assert_close(taken["0.weight"], 2 * network().state_dict()["0.weight"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"other.weight": torch.ones(1)}, "0 of the network's 9 names.* it lacks 9, such as .*1 of its own"),
        (
            {**named(""), "0.weight": torch.ones(2, 3, 3, 3)},
            r"0\.weight is \[2, 3, 3, 3\] in the file, .*\[2, 1",
        ),
        ({"state_dict": {**named(""), "9.weight": torch.ones(1)}}, "at 'state_dict' 9 of the network's 9"),
        ({"epoch": 3}, "no tensor is in it"),
        ([torch.ones(1)], "wanted a dictionary of tensors, got list"),
        (network(), "objects in it are never loaded"),
    ],
)
def test_what_does_not_fit_says_how_far_it_is(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        found(tmp_path, content)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(2, 2)
        self.other = self.one


def test_shared_numbers_may_stand_in_the_file_once(tmp_path: Path) -> None:
    save_model(Tied(), str(tmp_path / "tied.safetensors"))
    assert len(read_tensors(tmp_path / "tied.safetensors")) == 2
    assert len(state_for(Tied().state_dict(), tmp_path / "tied.safetensors").tensors) == 4
