"""A backbone that has learned elsewhere: what of it learns here, and when."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from beltline.compress.networks.base.families import build_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.compress.networks.base.pyramid import TimmNetwork
from beltline.compress.training.fit_settings import AugmentationSettings, BackboneFit, FitSettings
from beltline.compress.training.loop import Job, fit
from beltline.compress.training.losses import label_loss
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.frame import FrameSpec

FRAME = FrameSpec(height=128, width=128, channels=1, mean=(0.5,), std=(0.5,))


def trained(data: Dataset, backbone: BackboneFit, epochs: int = 1) -> tuple[dict[str, torch.Tensor], TimmNetwork]:
    torch.manual_seed(5)
    network = build_network({"family": "timm", "backbone": "tf_efficientnet_lite0", "width": 8}, 1)
    assert isinstance(network, TimmNetwork)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fit(
        Job(
            name="teacher",
            inspector=Inspector(network, FRAME),
            dataset=data,
            settings=FitSettings(
                epochs=epochs,
                samples_per_epoch=8,
                batch=4,
                ema=0,
                augmentation=AugmentationSettings(crop=64, whole=0),
                backbone=backbone,
            ),
            loss=label_loss,
            device=torch.device("cpu"),
            seed=1,
            partial=None,
            progress=lambda *_: None,
            learned=network.backbone,
        )
    )
    return before, network


def changed(before: dict[str, torch.Tensor], network: TimmNetwork) -> dict[str, bool]:
    """Say of each kind of tensor whether any of them has changed."""
    found: dict[str, bool] = {}
    for name, tensor in network.state_dict().items():
        part = (
            "head" if name.startswith("head") else "statistics" if "running" in name or "batches" in name else "weights"
        )
        found[part] = found.get(part, False) or not torch.equal(tensor, before[name])
    return found


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, {"head": True, "weights": True, "statistics": False}),
        ({"batch_norm": "trained"}, {"head": True, "weights": True, "statistics": True}),
        ({"rate": 0.0}, {"head": True, "weights": False, "statistics": False}),
        ({"rate": 0.0, "batch_norm": "trained"}, {"head": True, "weights": False, "statistics": False}),
        ({"frozen_share": 0.99}, {"head": True, "weights": False, "statistics": False}),
    ],
)
def test_what_of_a_backbone_learns(line_data: Dataset, settings: dict[str, Any], wanted: dict[str, bool]) -> None:
    before, network = trained(line_data, BackboneFit(**settings))
    assert changed(before, network) == wanted


def test_a_backbone_learns_at_its_own_rate(line_data: Dataset) -> None:
    moved = {}
    for rate in (0.01, 1.0):
        before, network = trained(line_data, BackboneFit(rate=rate, frozen_share=0))
        names = [name for name, _ in network.named_parameters() if name.startswith("backbone")]
        state = network.state_dict()
        moved[rate] = sum(float((state[name] - before[name]).abs().sum()) for name in names)
    assert moved[0.01] < 0.05 * moved[1.0]
