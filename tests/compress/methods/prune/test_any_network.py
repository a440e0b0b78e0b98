"""Whatever a user brings is pruned, partly left out and named, or refused; what comes out can be read back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from beltline.compress.checkpoint import Checkpoint, fit_shapes, require_reads_back
from beltline.compress.methods.prune import dependencies
from beltline.compress.methods.prune.structured import prune_channels, prune_to_macs
from beltline.compress.methods.prune.timed import group_importance
from beltline.compress.methods.prune.width_groups import Prunable, prunable, same
from beltline.compress.networks.base.inspector import Inspector
from beltline.compress.networks.base.output_settings import OutputSettings
from beltline.compress.teacher.adapter import AdaptedNetwork
from beltline.inspection.base.errors import RecipeError
from beltline.inspection.data.frame import FrameSpec
from beltline.studies.compression import patterns
from torch import Tensor, nn

FRAME = FrameSpec(height=64, width=64, channels=1, mean=(0.5,), std=(0.25,))
PATTERNS: dict[str, tuple[Callable[[], nn.Module], set[str], set[str]]] = {
    "swin-like windows": (patterns.WindowAttention, {"pattern.mlp.1"}, {"pattern.qkv", "pattern.mlp.3"}),
    "chunk(2, 1)": (patterns.C2f, {"stem.1.0", "pattern.last"}, {"pattern.inner.0"}),
    "PixelShuffle": (patterns.Upsampled, {"stem.1.0", "pattern.after.0"}, {"pattern.wide"}),
    "depthwise with multiplier 2": (patterns.Multiplied, {"pattern.last.0"}, {"pattern.depthwise.0"}),
    "channel shuffle": (patterns.Shuffled, {"pattern.branch.0.0"}, {"pattern.branch.1.0"}),
    "qkv of a ViT": (lambda: patterns.TransformerBlock(fused=True), {"pattern.mlp.0"}, {"pattern.qkv"}),
    "MultiheadAttention": (lambda: patterns.TransformerBlock(fused=False), {"pattern.mlp.0", "pattern.mlp.2"}, set()),
    "LayerNorm and layer scale": (patterns.ConvNextBlock, {"pattern.wide", "pattern.back"}, set()),
    "affine InstanceNorm": (patterns.InstanceNormed, {"pattern.body.0", "pattern.last.0"}, set()),
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Nets this small wait longer for a second thread than it saves."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def brought(module: nn.Module, output: Any = "mask_logit") -> Inspector:
    """Put the adapter around a module, as for a teacher that is brought along."""
    return Inspector(AdaptedNetwork(module, OutputSettings(output=output)), FRAME).eval()


def made(make: Callable[[], nn.Module]) -> Inspector:
    torch.manual_seed(0)
    return brought(patterns.Around(make()))


def inner(names: Any) -> set[str]:
    return {name.removeprefix("inner.") for name in names}


def count(inspector: Inspector) -> int:
    return sum(each.numel() for each in inspector.parameters())


@torch.no_grad()
def require_read_back(pruned: Inspector, fresh: Inspector) -> None:
    """What a checkpoint does: the network built anew takes the shapes and weights of the pruned one."""
    fit_shapes(fresh, pruned.state_dict())
    fresh.load_state_dict(pruned.state_dict())
    pixels = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    assert same(fresh.network(pixels), pruned.network(pixels))


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_is_pruned_or_left_out_and_named(name: str) -> None:
    make, pruned, left = PATTERNS[name]
    one, before = made(make), made(make).state_dict()
    found = prunable(one, round_to=4)
    assert pruned <= inner(found.groups)
    assert left <= inner(found.left)
    assert all(why for why in found.left.values())
    assert all(torch.equal(tensor, before[key]) for key, tensor in one.state_dict().items()), "looking changes nothing"
    prune_channels(one, ratio=0.4, round_to=4, found=found)
    assert count(one) < 0.9 * count(made(make))
    require_read_back(one, made(make))


@pytest.mark.parametrize("name", ["chunk(2, 1)", "MultiheadAttention", "LayerNorm and layer scale"])
def test_multiply_accumulates_and_importance_go_by_the_same_groups(name: str) -> None:
    make, *_ = PATTERNS[name]
    one = made(make)
    found = prunable(one, round_to=4)
    importance = group_importance(one, [], kind="norm", names=found.groups)
    assert set(importance) == set(found.groups)
    assert prune_to_macs(one, keep=0.7, round_to=4, found=found) <= 0.7
    require_read_back(one, made(make))


@pytest.mark.parametrize(
    ("make", "output"), [(patterns.ConvClassHead, "classifier"), (patterns.LinearDeclaredFirst, "head")]
)
def test_the_layer_that_gives_classes_keeps_them(make: Callable[[], nn.Module], output: str) -> None:
    one = brought(make(), "class_logits")
    found = prunable(one, round_to=4)
    assert {found.whole.names[each] for each in found.whole.outputs} == {f"inner.{output}"}
    assert not found.left
    prune_channels(one, ratio=0.5, round_to=4, found=found)
    assert one.network(torch.zeros(1, 1, 64, 64)).shape == (1, 1, 3, 3)
    require_read_back(one, brought(make(), "class_logits"))


def test_groups_that_explode_are_left_out_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "_GROUP_SECONDS", 0.5)
    begin_s = time.monotonic()
    found = prunable(made(patterns.PositionAttention), round_to=4)
    assert time.monotonic() - begin_s < 40
    assert {"end.0.0", "stem.0.0", "pattern.out"} <= inner(found.groups)
    assert "it takes more than" in found.left["inner.pattern.top"]


def test_a_network_that_takes_too_long_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "TRACE_SECONDS", 0.2)
    with pytest.raises(RecipeError, match=r"Around cannot be taken apart .* more than 0.2 s\); drop the step"):
        prunable(made(patterns.PositionAttention), round_to=4)


def test_memory_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "_TRACE_BYTES", -1)
    with pytest.raises(RecipeError, match="GiB"):
        prunable(made(patterns.PositionAttention), round_to=4)


def test_frozen_layers_are_pruned_as_well_and_stay_frozen() -> None:
    one = brought(patterns.FrozenEncoder())
    found = prunable(one, round_to=4)
    assert inner(found.groups) == {"encoder.0.0", "encoder.1.0", "decoder.0.0"}
    prune_channels(one, ratio=0.5, round_to=4, found=found)
    fresh = brought(patterns.FrozenEncoder())
    require_read_back(one, fresh)
    for each in (one, fresh):
        frozen = {name.split(".")[2] for name, parameter in each.named_parameters() if not parameter.requires_grad}
        assert frozen == {"encoder"}


def test_a_wholly_frozen_network_is_pruned() -> None:
    one = brought(patterns.Around(patterns.InstanceNormed()).requires_grad_(requires_grad=False))
    before = count(one)
    prune_channels(one, ratio=0.5, round_to=4)
    assert count(one) < before
    assert not any(each.requires_grad for each in one.parameters())


def test_what_runs_without_gradients_is_named() -> None:
    found = prunable(brought(patterns.WithoutGradients()), round_to=4)
    assert inner(found.groups) == {"decoder.0.0"}
    assert inner(found.left) == {"encoder.0.0", "encoder.1.0"}
    assert "no_grad" in found.sentence()


def test_what_cannot_be_pruned_at_all_is_refused_in_one_sentence() -> None:
    with pytest.raises(RecipeError, match=r"no layer of this network can be pruned .* drop the step"):
        prunable(brought(patterns.NothingToPrune()), round_to=4)


class CountsOnOrder(nn.Module):
    """Takes every second channel: whichever leave, it runs, and gives something else."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(32, 32, 1), nn.Conv2d(32, 32, 1)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.first(x)
        return self.last(wide + wide.flip(1))


def test_a_network_that_runs_but_gives_something_else_counts_as_broken() -> None:
    found: Prunable = prunable(made(CountsOnOrder), round_to=4)
    assert "order of its channels" in found.left["inner.pattern.first"]
    assert "inner.pattern.last" in found.groups


def checkpoint_of(network: dict[str, Any]) -> Checkpoint:
    from beltline.compress.networks.base.families import build_network, normal_network

    described = normal_network(network)
    return Checkpoint(
        network=described, frame=FRAME, lineage=(), inspector=Inspector(build_network(described, 1), FRAME).eval()
    )


def test_what_cannot_be_read_back_is_found_out_before_training(tmp_path: Path) -> None:
    good = checkpoint_of({"family": "plain", "width": 8})
    require_reads_back(good, "prune")
    with pytest.raises(RecipeError, match=r"distil: the network cannot be read back from its file"):
        require_reads_back(replace(good, network={"family": "plain", "width": 8, "depth": 1}), "distil")
    (tmp_path / "unsteady.py").write_text(
        "import torch\n"
        "class Unsteady(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv, self.factor = torch.nn.Conv2d(1, 1, 3, 4, 1), float(torch.rand(()) + 1)\n"
        "    def forward(self, x):\n"
        "        return self.conv(x) * self.factor\n"
        "def build():\n"
        "    return Unsteady()\n"
    )
    unsteady = checkpoint_of({"family": "factory", "factory": "unsteady:build", "folder": str(tmp_path)})
    with pytest.raises(RecipeError, match="its factory must build the same network every time"):
        require_reads_back(unsteady, "sparsify")
