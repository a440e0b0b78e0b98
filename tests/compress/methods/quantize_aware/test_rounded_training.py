"""Rounding in training: it is int8's own, gradients pass, and what comes out is an ordinary checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from beltline.compress.checkpoint import load_checkpoint
from beltline.compress.methods.quantize_aware import METHOD
from beltline.compress.methods.quantize_aware.rounded_training import RoundedConv, Rounding, with_rounding
from beltline.compress.methods.quantize_aware.settings import QuantizeAwareStep
from beltline.compress.networks.base.families import build_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.compress.recipe import ModuleContext, RecipeSettings
from beltline.compress.training.fit_settings import AugmentationSettings, FitSettings
from beltline.inspection.base.errors import RecipeError
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.frame import FrameSpec
from torch import nn

FRAME = FrameSpec(height=64, width=64, channels=1, mean=(0.5,), std=(0.25,))


def conv() -> nn.Conv2d:
    torch.manual_seed(1)
    return nn.Conv2d(3, 4, 3, padding=1, stride=2)


@pytest.mark.parametrize("symmetric", [False, True])
def test_activations_take_256_levels_between_the_extremes_and_zero_is_one_of_them(symmetric: bool) -> None:
    rounding = Rounding(symmetric=symmetric).train()
    values = torch.linspace(-1, 3, 4001)
    rounded = rounding(values)
    assert 128 < rounded.unique().numel() <= 256
    assert (rounded - values).abs().max() <= 0.5 * (6 / 254 if symmetric else 4 / 255) + 1e-6
    assert 0.0 in rounded
    rounding.eval()
    assert float(rounding(torch.tensor([50.0]))) == pytest.approx(3.0, abs=0.02)


def test_weights_are_rounded_per_output_channel_and_gradients_pass_straight_through() -> None:
    plain = conv()
    rounded = RoundedConv.around(plain, symmetric=False, weight_bits=8).train()
    pixels = torch.randn(2, 3, 8, 8)
    exact, found = plain(pixels), rounded(pixels)
    error = float((exact - found).detach().abs().max())
    assert 0 < error < 0.05 * float(exact.detach().abs().max())
    found.square().sum().backward()
    through = rounded.weight.grad.clone()
    plain.weight.grad = None
    plain(pixels).square().sum().backward()
    similarity = torch.nn.functional.cosine_similarity(through.flatten(), plain.weight.grad.flatten(), dim=0)
    assert float(similarity) > 0.99


@pytest.mark.parametrize(("weight_bits", "levels"), [(7, 127), (8, 255)])
def test_weights_are_rounded_to_as_many_levels_as_the_processor_takes(weight_bits: int, levels: int) -> None:
    plain = nn.Conv2d(1, 1, 100, bias=False)
    plain.weight.data = torch.linspace(-1, 1, 10_000).reshape(1, 1, 100, 100)
    rounded = RoundedConv.around(plain, symmetric=False, weight_bits=weight_bits).train()
    rounded.rounding = nn.Identity()  # type: ignore[assignment]
    picked = torch.eye(10_000)[::13].reshape(-1, 1, 100, 100)
    assert rounded(picked).unique().numel() == levels


def test_levels_are_not_rounded_again_where_training_multiplies_in_short_floats() -> None:
    rounded = RoundedConv.around(conv(), symmetric=False, weight_bits=8).train()
    pixels = torch.randn(2, 3, 8, 8)
    exact = rounded(pixels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(rounded(pixels), exact)


def test_every_plain_convolution_is_wrapped_and_names_stay() -> None:
    inspector = Inspector(build_network({"family": "plain", "width": 8, "depth": 1}, 1), FRAME)
    names = set(inspector.state_dict())
    convolutions = sum(type(module) is nn.Conv2d for module in inspector.modules())
    rounded = with_rounding(inspector, symmetric=True, weight_bits=8)
    assert sum(isinstance(module, RoundedConv) for module in rounded.modules()) == convolutions > 2
    assert names < set(rounded.state_dict())


def test_a_network_without_convolutions_is_refused() -> None:
    with pytest.raises(RecipeError, match="with convolutions"):
        with_rounding(Inspector(nn.Flatten(), FRAME), symmetric=False, weight_bits=8)


def test_the_step_trains_and_writes_a_plain_checkpoint(
    line_data: Dataset, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    fit = FitSettings(epochs=1, samples_per_epoch=16, batch=8, augmentation=AugmentationSettings(crop=64))
    context = ModuleContext(
        dataset=line_data,
        teacher=tiny_checkpoint,
        target_file=tmp_path / "aware.safetensors",
        partial=tmp_path / "partial",
        device="cpu",
        seed=1,
        progress=lambda *_: None,
    )
    METHOD.apply(tiny_checkpoint, QuantizeAwareStep(fit=fit), context)
    before, after = load_checkpoint(tiny_checkpoint), load_checkpoint(context.target_file)
    assert after.lineage[-1].startswith("quantize_aware epoch 1 val AUROC ")
    assert " rounded; weights in 7 bits, since sums of 8-bit ones overflow" in after.lineage[-1]
    assert set(after.inspector.state_dict()) == set(before.inspector.state_dict())
    changed = after.inspector.state_dict()
    assert any(not torch.equal(tensor, changed[name]) for name, tensor in before.inspector.state_dict().items())


def test_it_is_written_before_quantize() -> None:
    recipe = RecipeSettings.model_validate({"name": "a", "steps": ["quantize_aware", "quantize"]})
    assert [step.works_on for step in recipe.steps] == ["module", "graph"]
