"""`sparsify`: two of four weights leave, stay out while the rest is trained, and are still out in the file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from beltline.compress.checkpoint import load_checkpoint
from beltline.compress.methods.sparsify import METHOD
from beltline.compress.methods.sparsify.masked_training import fold_masks, hold_masks, two_of_four
from beltline.compress.methods.sparsify.settings import SparsifyStep
from beltline.compress.networks.base.families import build_network, normal_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.compress.recipe import ModuleContext, Step
from beltline.compress.training.fit_settings import AugmentationSettings, FitSettings
from beltline.export.sparsity import sparsity_of_file
from beltline.export.to_onnx import export_graph
from beltline.inspection.base.errors import RecipeError
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.frame import FrameSpec
from torch import nn

FRAME = FrameSpec(height=64, width=64, channels=1, mean=(0.5,), std=(0.25,))


def inspector() -> Inspector:
    torch.manual_seed(0)
    network = build_network(normal_network({"family": "plain", "width": 8, "depth": 1}), 1)
    return Inspector(network, FRAME).eval()


def test_the_two_largest_of_four_input_channels_are_kept() -> None:
    weight = torch.zeros(1, 8, 1, 2)
    weight[0, :, 0, 0] = torch.tensor([0.1, -4.0, 3.0, 2.0, 1.0, 1.1, -1.2, 0.0])
    weight[0, :, 0, 1] = torch.arange(8.0)
    mask = two_of_four(weight)
    assert mask[0, :, 0, 0].tolist() == [False, True, True, False, False, True, True, False]
    assert mask[0, :, 0, 1].tolist() == [False, False, True, True, False, False, True, True]


def test_masks_hold_whatever_is_learned_and_are_folded_in() -> None:
    one = inspector()
    masked = hold_masks(one)
    optimizer = torch.optim.AdamW(one.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        one.network(torch.randn(2, 1, 64, 64)).square().mean().backward()
        optimizer.step()
    fold_masks(one)
    layers = dict(one.network.named_modules())
    for name in masked.layers:
        layer = layers[name]
        assert isinstance(layer, nn.Conv2d)
        assert type(layer) is nn.Conv2d, "nothing of the masks is left"
        quads = layer.weight.detach().movedim(1, -1).reshape(-1, 4)
        assert int((quads != 0).sum(dim=1).max()) == 2
    assert "weight" in dict(layers[masked.layers[0]].named_parameters())


def test_layers_that_cannot_be_sparse_are_named() -> None:
    masked = hold_masks(inspector())
    assert "stem.0 (1 input channel)" in masked.left
    assert any("it gives the logits" in each for each in masked.left)
    assert 0.9 < masked.fraction < 1
    assert "dense: stem.0 (1 input channel)" in masked.sentence()


def test_a_network_without_fours_is_refused() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 1, 3))
    with pytest.raises(RecipeError, match=r"wanted layers with a multiple of 4 input channels, got 0 \(1 input"):
        hold_masks(Inspector(network, FRAME))


def test_a_recipe_step_gives_a_checkpoint_that_is_sparse_in_the_exported_file(
    line_data: Dataset, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    context = ModuleContext(
        dataset=line_data,
        teacher=tiny_checkpoint,
        target_file=tmp_path / "sparse.safetensors",
        partial=tmp_path / "partial",
        device="cpu",
        seed=0,
        progress=lambda *_: None,
    )
    fit = FitSettings(epochs=2, samples_per_epoch=32, batch=8, augmentation=AugmentationSettings(crop=64))
    METHOD.apply(tiny_checkpoint, SparsifyStep(fit=fit), context)
    made, given = load_checkpoint(context.target_file), load_checkpoint(tiny_checkpoint)
    assert made.lineage[-1].startswith("sparsify 2:4, ")
    weights, before = made.inspector.state_dict(), given.inspector.state_dict()
    assert weights.keys() == before.keys()
    kept = weights["network.stages.0.0.0.weight"] != 0
    assert 0.49 < kept.float().mean() <= 0.5
    assert not torch.equal(weights["network.stages.0.0.0.weight"][kept], before["network.stages.0.0.0.weight"][kept])
    graph = export_graph(context.target_file, tmp_path)
    found = sparsity_of_file(graph.path)
    assert len(found.sparse) == int(made.lineage[-1].split()[2])
    assert found.fraction > 0.9
    assert graph.lineage[-1] == made.lineage[-1]


def test_the_step_is_found_in_recipes() -> None:
    assert (Step.model_validate("sparsify").works_on, Step.model_validate("sparsify").sentence()) == (
        "module",
        "sparsify",
    )
