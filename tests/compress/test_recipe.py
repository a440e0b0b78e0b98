from __future__ import annotations

import pytest
import torch
from beltline.compress.networks.base.counting import macs_of
from beltline.compress.recipe import RecipeSettings, Step
from pydantic import ValidationError
from torch import nn


def test_a_step_is_one_method_with_its_settings_and_comes_back_as_written() -> None:
    step = Step.model_validate({"prune": {"ratio": 0.5}})
    assert (step.method, step.works_on, step.settings.ratio) == ("prune", "module", 0.5)
    assert step.sentence() == "prune ratio=0.5"
    assert Step.model_validate(step.model_dump(mode="json")) == step
    assert Step.model_validate("quantize").works_on == "graph"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"prune": {"ratio": 1.5}}, "prune.ratio"),
        ({"prune": {"rate": 0.5}}, "prune.rate"),
        ({"shrink": {}}, "wanted one of .*distill"),
        ({"prune": {}, "quantize": {}}, "one method"),
        (3, "one method"),
        ({"distill": {"network": {"family": "plain", "width": 2}}}, "width"),
    ],
)
def test_a_step_that_cannot_be_is_named(entry: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Step.model_validate(entry)


def test_graph_steps_come_last() -> None:
    with pytest.raises(ValidationError, match="come after steps on the module, got quantize -> prune"):
        RecipeSettings.model_validate({"name": "a", "steps": ["quantize", "prune"]})


def test_multiply_accumulates_are_counted_by_hand() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.Flatten(), nn.Linear(128, 5)
    )
    by_hand = 4 * 4 * 8 * (3 * 9) + 4 * 4 * 8 * 9 + 128 * 5
    assert macs_of(network, torch.zeros(1, 3, 8, 8)) == by_hand
