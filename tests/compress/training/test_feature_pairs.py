from __future__ import annotations

import pytest
import torch
from beltline.compress.networks.base.families import build_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.compress.training.teacher_terms import FeatureTerm
from beltline.compress.training.teaching import FeaturePairs
from beltline.inspection.base.errors import RecipeError
from beltline.inspection.data.frame import FrameSpec
from torch import Tensor, nn

FRAME = FrameSpec(height=64, width=64, channels=1, mean=(0.5,), std=(0.25,))
SMALLER = FrameSpec(height=32, width=32, channels=1, mean=(0.5,), std=(0.25,))


class OneCell(nn.Module):
    """A network without feature maps: one channel in, one out."""

    def __init__(self) -> None:
        super().__init__()
        self.only = nn.Conv2d(1, 1, 3, 4, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.only(pixels)
        return logits


def inspector(width: int, frame: FrameSpec = FRAME) -> Inspector:
    torch.manual_seed(width)
    return Inspector(build_network({"family": "plain", "width": width, "depth": 1}, 1), frame)


def compared(pairs: FeaturePairs, student: Inspector, teacher: Inspector) -> Tensor:
    pixels = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        teacher.eval().network(pixels)
    size = (student.frame.height, student.frame.width)
    student.train().network(nn.functional.interpolate(pixels, size=size))
    loss: Tensor = pairs()
    return loss


@pytest.mark.parametrize("match", ["channels", "values"])
@pytest.mark.parametrize("frame", [FRAME, SMALLER], ids=["same size", "half size"])
def test_both_the_student_and_its_adapters_learn_and_the_teacher_does_not(match: str, frame: FrameSpec) -> None:
    student, teacher = inspector(8, frame), inspector(12)
    pairs = FeaturePairs("distill", student, teacher, FeatureTerm.model_validate({"match": match}))
    loss = compared(pairs, student, teacher)
    loss.backward()
    assert float(loss.detach()) > 0
    stem = next(student.network.parameters())
    assert stem.grad is not None
    assert float(stem.grad.abs().sum()) > 0
    assert all(parameter.grad is not None for parameter in pairs.parameters())
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_steps_along_the_gradient_bring_the_maps_together() -> None:
    student, teacher = inspector(8), inspector(12)
    pairs = FeaturePairs("distill", student, teacher, FeatureTerm(at="last"))
    optimizer = torch.optim.Adam([*student.parameters(), *pairs.parameters()], lr=0.01)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = compared(pairs, student, teacher)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize(
    ("at", "places"),
    [
        ("last", ["last"]),
        ("encoder", ["stride_4", "stride_8", "stride_16", "stride_32"]),
        ("all", ["stride_4", "stride_8", "stride_16", "stride_32", "last"]),
    ],
)
def test_maps_are_those_asked_for(at: str, places: list[str]) -> None:
    pairs = FeaturePairs("distill", inspector(8), inspector(12), FeatureTerm.model_validate({"at": at}))
    assert list(pairs.adapters) == places
    assert {name.split(".")[1] for name in pairs.state_dict()} == set(places), "adapters are all that is kept"


def test_a_student_is_left_as_it_was() -> None:
    student, teacher = inspector(8), inspector(12)
    pairs = FeaturePairs("distill", student, teacher, FeatureTerm())
    pairs.close()
    assert not any(module._forward_hooks for each in (student, teacher) for module in each.modules())
    assert not any("adapter" in name for name in student.state_dict())


def test_networks_without_a_common_map_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"teacher\.features at all: .* got none of the student's and stride_4"):
        FeaturePairs("distill", Inspector(OneCell(), FRAME), inspector(8), FeatureTerm())


def test_maps_of_an_earlier_pass_are_never_compared() -> None:
    student, teacher = inspector(8), inspector(12)
    pairs = FeaturePairs("distill", student, teacher, FeatureTerm())
    compared(pairs, student, teacher)
    student.network(torch.zeros(2, 1, 64, 64))
    with pytest.raises(KeyError):
        pairs()
