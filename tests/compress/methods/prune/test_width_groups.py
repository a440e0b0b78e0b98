from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from beltline.compress.methods.prune.structured import measure_norms
from beltline.compress.methods.prune.timed import group_importance
from beltline.compress.methods.prune.width_groups import narrow, network_shape
from beltline.compress.networks.base.families import build_network, normal_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.compress.training.losses import Batch
from beltline.inspection.base.errors import RecipeError
from beltline.inspection.data.frame import FrameSpec
from torch import Tensor, nn

FRAME = FrameSpec(height=64, width=64, channels=1, mean=(0.5,), std=(0.25,))
NETWORKS: dict[str, dict[str, Any]] = {
    "plain": {"family": "plain", "width": 16, "depth": 2},
    "depthwise and squeeze": {"family": "timm", "backbone": "mobilenetv3_small_050", "width": 16},
    "residual sums and group norms": {"family": "smp", "decoder_width": 128},
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Nets this small wait longer for a second thread than it saves."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def inspector(network: dict[str, Any] | nn.Module = NETWORKS["plain"]) -> Inspector:
    torch.manual_seed(0)
    module = network if isinstance(network, nn.Module) else build_network(normal_network(network), 1)
    return Inspector(module, FRAME).eval()


def sizes(one: Inspector) -> dict[str, tuple[int, int]]:
    return {
        name: (module.in_channels, module.out_channels)
        for name, module in one.network.named_modules()
        if isinstance(module, nn.Conv2d)
    }


def batches(count: int = 3) -> list[Batch]:
    random = torch.Generator().manual_seed(1)
    return [
        Batch(
            pixels=torch.randn(4, 1, 64, 64, generator=random),
            masks=torch.zeros(4, 1, 64, 64),
            has_mask=torch.tensor([True] * 4),
            defective=torch.tensor([0.0, 1.0, 0.0, 1.0]),
            certain=torch.ones(4),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("name", NETWORKS)
def test_widths_become_those_that_were_asked_for(name: str) -> None:
    one = inspector(NETWORKS[name])
    before = sizes(one)
    shape = network_shape(one, round_to=8)
    assert sizes(one) == before, "looking changes nothing"
    assert shape.groups
    widths = {group.name: group.choices()[(len(group.choices()) - 1) // 2] for group in shape.groups}
    narrow(one, widths)
    after = sizes(one)
    assert {layer: count for layer, count in shape.counts(widths).items() if layer in after} == after
    assert sum(wide != narrow_one for wide, narrow_one in zip(before.values(), after.values(), strict=True)) > 5
    assert one(torch.zeros(64, 64, 1, dtype=torch.uint8))[0].ndim == 0


def test_every_layer_but_the_logits_of_a_plain_network_can_be_pruned() -> None:
    shape = network_shape(inspector(), round_to=4)
    assert shape.fixed == ()
    assert shape.layers[0].name == "stem.0"
    assert shape.layers[-1].name == "head.logits"
    assert all(width % 4 == 0 for group in shape.groups for width in group.choices())


class CountsOnItsWidth(nn.Module):
    """The middle layer's channels are written down as a number."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 16, 3, 4, 1)
        self.middle = nn.Conv2d(16, 16, 3, 1, 1)
        self.last = nn.Conv2d(16, 1, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        halves = self.middle(self.first(pixels).relu()).view(pixels.shape[0], 2, 8, 16, 16)
        logits: Tensor = self.last(halves.flatten(1, 2))
        return logits


def test_layers_that_cannot_be_pruned_are_named_and_the_others_are() -> None:
    shape = network_shape(inspector(CountsOnItsWidth()), round_to=4)
    assert shape.fixed == ("middle",)
    assert [group.name for group in shape.groups] == ["first"]


def test_the_least_important_channels_leave() -> None:
    one = inspector()
    weight = one.network.stem[0].weight
    weight.data[[1, 4]] = 0.0
    one.network.stem[1].weight.data[[1, 4]] = 0.0
    one.network.stages[0][0][0].weight.data[:, [1, 4]] = 0.0
    kept = weight.detach()[[0, 2, 3, 5, 6, 7]].clone()
    importance = group_importance(one, [], kind="norm")
    assert set(np.argsort(importance["stem.0"])[:2]) == {1, 4}
    narrow(one, {"stem.0": 6}, importance)
    assert torch.equal(one.network.stem[0].weight, kept)


def test_a_channel_that_nothing_reads_does_not_matter_however_large_its_weights_are() -> None:
    one = inspector()
    one.network.stem[0].weight.data[3] *= 50
    one.network.stages[0][0][0].weight.data[:, 3] = 0.0
    by_norm = group_importance(one, [], kind="norm")["stem.0"]
    by_taylor = group_importance(one, batches(), kind="taylor")["stem.0"]
    assert np.argmax(by_norm) == 3
    assert np.argmin(by_taylor) == 3
    assert by_taylor[3] == pytest.approx(0.0, abs=1e-6 * by_taylor.max())
    assert all(parameter.grad is None for parameter in one.parameters())


def test_weights_that_are_no_numbers_are_refused() -> None:
    one = inspector()
    one.network.stages[1][0][0].weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(RecipeError, match=r"importance of .* is no number"):
        group_importance(one, batches(), kind="taylor")


def test_batch_norms_take_the_averages_of_what_they_are_shown() -> None:
    one = inspector()
    seen = batches(5)
    norm = one.network.stem[1]
    measure_norms(one, seen)
    with torch.no_grad():
        means = torch.stack([one.network.stem[0](batch.pixels).mean(dim=(0, 2, 3)) for batch in seen])
    assert torch.allclose(norm.running_mean, means.mean(dim=0), atol=1e-5)
    assert not norm.training
    assert norm.momentum == 0.1
