from __future__ import annotations

import pytest
import torch
from beltline.compress.networks.base.families import build_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.compress.training.feature_maps import FeatureTap, feature_places
from beltline.inspection.data.frame import FrameSpec
from torch import Tensor, nn
from torch.nn.utils import parametrize

FRAME = FrameSpec(height=96, width=128, channels=1, mean=(0.5,), std=(0.25,))


def inspector(network: nn.Module | None = None, **options: object) -> Inspector:
    torch.manual_seed(0)
    return Inspector(network or build_network({"family": "plain", "width": 8, "depth": 1, **options}, 1), FRAME)


def test_a_plain_networks_stages_are_found() -> None:
    places = feature_places(inspector())
    assert {name: (place.module, place.channels) for name, place in places.items()} == {
        "stride_4": ("stages.0", 8),
        "stride_8": ("stages.1", 16),
        "stride_16": ("stages.2", 32),
        "stride_32": ("head.laterals.3", 8),
        "last": ("head.smooth", 8),
    }
    assert (places["stride_16"].rows, places["stride_16"].columns) == (6, 8)


@pytest.mark.parametrize(
    ("network", "last"),
    [
        ({"family": "smp", "encoder": "resnet18", "decoder_width": 64}, (32, 24, 32)),
        ({"family": "smp", "architecture": "Unet", "encoder": "resnet18"}, (16, 96, 128)),
        ({"family": "timm", "backbone": "mobilenetv3_small_050", "width": 24}, (24, 24, 32)),
    ],
    ids=lambda value: str(value.get("architecture", value["family"])) if isinstance(value, dict) else "",
)
def test_other_families_have_every_stride_and_a_last_map(
    network: dict[str, object], last: tuple[int, int, int]
) -> None:
    places = feature_places(inspector(build_network(network, 1)))
    assert set(places) == {"stride_4", "stride_8", "stride_16", "stride_32", "last"}
    place = places["last"]
    assert (place.channels, place.rows, place.columns) == last


def test_looking_changes_nothing() -> None:
    looked_at = inspector()
    before = {name: tensor.clone() for name, tensor in looked_at.state_dict().items()}
    feature_places(looked_at)
    assert looked_at.network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in looked_at.state_dict().items())
    assert not any(module._forward_hooks for module in looked_at.modules())


def test_masked_weights_are_no_maps() -> None:
    class Same(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return weight

    masked = inspector()
    plain = feature_places(masked)
    for module in list(masked.modules()):
        if isinstance(module, nn.Conv2d):
            parametrize.register_parametrization(module, "weight", Same())
    assert feature_places(masked) == plain


def test_a_tap_keeps_passes_with_gradients_only_or_without_only() -> None:
    watched = inspector()
    places = feature_places(watched)
    learning = FeatureTap(watched.network, places, learning=True)
    pixels = torch.zeros(1, 1, 96, 128)
    with torch.inference_mode():
        watched.network(pixels)
    assert not learning.seen
    watched.network(pixels)
    assert learning.seen["last"].shape == (1, 8, 24, 32)
    learning.close()
    watched.network(pixels)
    assert not learning.seen
    asking = FeatureTap(watched.network, places, learning=False)
    watched.network(pixels)
    assert not asking.seen
    with torch.no_grad():
        watched.network(pixels)
    assert set(asking.seen) == set(places)
