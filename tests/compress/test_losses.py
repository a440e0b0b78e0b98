from __future__ import annotations

import pytest
import torch
from beltline.compress.inspector import score_logits
from beltline.compress.losses import Batch, label_loss, teacher_loss
from beltline.compress.methods.distill import DistillWeights
from torch import Tensor


def batch(masks: Tensor, *, has_mask: bool = True, certain: float = 1.0) -> Batch:
    count = len(masks)
    return Batch(
        pixels=torch.zeros(count, 1, 32, 32),
        masks=masks,
        has_mask=torch.tensor([has_mask] * count),
        defective=masks.amax(dim=(1, 2, 3)) if has_mask else torch.ones(count),
        certain=torch.full((count,), certain),
    )


def spot() -> Tensor:
    masks = torch.zeros(2, 1, 32, 32)
    masks[0, 0, 8:20, 8:20] = 1
    return masks


def logits_for(masks: Tensor, height: float) -> Tensor:
    cells = torch.nn.functional.avg_pool2d(masks, 4)
    return (cells * 2 - 1) * height


def test_right_logits_cost_less_than_none_and_none_less_than_wrong_ones() -> None:
    seen = batch(spot())
    right, none, wrong = (float(label_loss(logits_for(spot(), height), seen)) for height in (6.0, 0.0, -6.0))
    assert right < 0.1 < none < wrong


def test_a_label_alone_pulls_some_place_up() -> None:
    logits = torch.full((2, 1, 8, 8), -3.0, requires_grad=True)
    label_loss(logits, batch(torch.zeros(2, 1, 32, 32), has_mask=False)).backward()
    assert logits.grad is not None
    assert bool((logits.grad <= 0).all())
    assert bool((logits.grad < 0).flatten(1).all(dim=1).all()), "pooling over locations reaches every cell"


def test_an_uncertain_view_does_not_count_as_a_whole() -> None:
    wrong = torch.full((2, 1, 8, 8), -6.0)
    sure, unsure = (float(label_loss(wrong, batch(spot(), certain=certain))) for certain in (1.0, 0.0))
    assert unsure < sure


def test_mixed_batches_use_masks_where_they_are() -> None:
    masks = spot()
    mixed = batch(masks)
    mixed = Batch(
        pixels=mixed.pixels,
        masks=masks,
        has_mask=torch.tensor([True, False]),
        defective=torch.ones(2),
        certain=torch.ones(2),
    )
    assert torch.isfinite(label_loss(torch.zeros(2, 1, 8, 8), mixed))


def test_the_teacher_term_is_least_where_the_student_agrees() -> None:
    teacher = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 3
    student = teacher.clone().requires_grad_()
    loss = teacher_loss(student, teacher, DistillWeights())
    loss.backward()
    assert student.grad is not None
    assert float(student.grad.abs().max()) < 1e-5
    assert float(teacher_loss(teacher + 2.0, teacher, DistillWeights())) > float(loss.detach())


def test_the_teachers_cells_are_brought_to_the_students() -> None:
    teacher = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    assert torch.isfinite(teacher_loss(torch.zeros(2, 1, 8, 8), teacher, DistillWeights()))


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_weights_scale_the_terms(weight: float) -> None:
    teacher, student = torch.ones(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    one = float(teacher_loss(student, teacher, DistillWeights(score=1, heatmap=0)))
    assert float(teacher_loss(student, teacher, DistillWeights(score=weight, heatmap=0))) == pytest.approx(weight * one)


def test_one_noisy_cell_does_not_decide() -> None:
    logits = torch.full((1, 1, 8, 8), -4.0)
    logits[0, 0, 4, 4] = 4.0
    assert float(score_logits(logits)) < 0 < float(logits.max())
