from __future__ import annotations

import pytest
import torch
from beltline.compress.methods.prune.settings import PruneStep
from beltline.compress.methods.prune.structured import prune_to_macs
from beltline.compress.networks.base.counting import macs_of
from beltline.compress.networks.base.families import build_network, normal_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.inspection.base.errors import RecipeError
from beltline.inspection.data.frame import FrameSpec
from pydantic import ValidationError

FRAME = FrameSpec(height=64, width=64, channels=1, mean=(0.5,), std=(0.25,))


def inspector() -> Inspector:
    torch.manual_seed(0)
    network = build_network(normal_network({"family": "plain", "width": 16, "depth": 1, "stride": 8}), 1)
    return Inspector(network, FRAME).eval()


def macs(one: Inspector) -> int:
    return macs_of(one.network, torch.zeros(1, 1, 64, 64))


@pytest.mark.parametrize(("keep", "round_to"), [(0.6, 1), (0.5, 4)])
def test_channels_leave_until_few_enough_multiplications_are_left(keep: float, round_to: int) -> None:
    pruned = inspector()
    before = macs(pruned)
    left = prune_to_macs(pruned, keep=keep, round_to=round_to)
    assert left == macs(pruned) / before
    assert keep - 0.05 * round_to < left <= keep
    assert all(
        each.out_channels % round_to == 0
        for each in pruned.modules()
        if isinstance(each, torch.nn.Conv2d) and each.out_channels > 1
    )


def test_a_share_that_cannot_be_reached_is_refused_with_what_can_be() -> None:
    with pytest.raises(RecipeError, match=r"macs 0.001 cannot be reached, 0\.\d+ is the least"):
        prune_to_macs(inspector(), keep=0.001, round_to=2)


def test_a_step_says_how_much_leaves_in_one_way() -> None:
    assert (PruneStep().ratio, PruneStep().macs) == (0.3, None)
    assert (PruneStep(macs=0.5).ratio, PruneStep(macs=0.5).macs) == (None, 0.5)
    step = PruneStep.model_validate(PruneStep(macs=0.5).model_dump(mode="json"))
    assert step == PruneStep(macs=0.5)
    with pytest.raises(ValidationError, match="ratio and macs both say how much leaves"):
        PruneStep(ratio=0.5, macs=0.5)
