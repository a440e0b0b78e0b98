from __future__ import annotations

import pytest
import torch
from beltline.compress.networks.base.inspector import score_logits
from beltline.compress.training.losses import Batch, feature_loss, label_loss, teacher_loss
from beltline.compress.training.teacher_terms import DistillWeights, FeatureTerm, Ramp, Ramps
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


def decoupled(logits: Tensor, teacher: Tensor, *, warmth: float, alpha: float, beta: float) -> Tensor:
    """Decoupled distillation as published (arXiv 2203.08679): `[N, classes]`, class 1 the target."""
    ours, theirs = (each.div(warmth).softmax(dim=1) for each in (logits, teacher))
    binary = [torch.stack([each[:, 1], 1 - each[:, 1]], dim=1) for each in (ours, theirs)]
    target = (binary[1] * (binary[1].log() - binary[0].log())).sum(dim=1).mean()
    others = [each[:, :1] / each[:, :1].sum(dim=1, keepdim=True) for each in (ours, theirs)]
    rest = (others[1] * (others[1].log() - others[0].log())).sum(dim=1).mean()
    return (alpha * target + beta * rest) * warmth**2


def test_decoupled_distillation_of_two_classes_is_the_score_term() -> None:
    generator = torch.Generator().manual_seed(2)
    student, teacher = (torch.randn(4, 1, 3, 3, generator=generator) * 3 for _ in range(2))
    gradients = []
    for weigh in ("score", "decoupled"):
        logits = student.clone().requires_grad_()
        if weigh == "score":
            loss = teacher_loss(logits, teacher, DistillWeights(score=1.5 * 2.0, heatmap=0, temperature=2.0))
        else:
            two = [
                torch.stack([torch.zeros_like(each), each], dim=1)
                for each in (score_logits(logits), score_logits(teacher))
            ]
            loss = decoupled(*two, warmth=2.0, alpha=1.5, beta=8.0)
        loss.backward()
        gradients.append(logits.grad)
    assert gradients[0] is not None
    assert torch.allclose(gradients[0], gradients[1], atol=1e-6), "weight alpha * temperature, whatever beta"


def test_weights_follow_their_ramps() -> None:
    teacher, student = torch.ones(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    weights = DistillWeights(score=1, heatmap=0, ramps=Ramps(score=Ramp(start=0, end=1, until=0.5)))
    whole = float(teacher_loss(student, teacher, DistillWeights(score=1, heatmap=0)))
    found = [float(teacher_loss(student, teacher, weights, done=done)) for done in (0.0, 0.25, 0.9)]
    assert found == pytest.approx([0.0, 0.5 * whole, whole])


@pytest.mark.parametrize("match", ["channels", "values"])
def test_maps_that_agree_cost_nothing(match: str) -> None:
    term = FeatureTerm.model_validate({"match": match})
    maps = torch.randn(2, 5, 8, 8, generator=torch.Generator().manual_seed(3))
    assert float(feature_loss(maps, maps.clone(), term)) == pytest.approx(0, abs=1e-5)
    assert float(feature_loss(maps.flip(2), maps, term)) > 0.1


def test_channels_are_compared_as_distributions_values_as_they_are() -> None:
    maps = torch.randn(2, 5, 8, 8, generator=torch.Generator().manual_seed(4))
    channels, values = FeatureTerm(match="channels"), FeatureTerm(match="values")
    assert float(feature_loss(maps + 3.0, maps, channels)) == pytest.approx(0, abs=1e-5)
    assert float(feature_loss(torch.zeros_like(maps), maps, values)) == pytest.approx(1.0)
    assert float(feature_loss(torch.zeros_like(maps), 10 * maps, values)) == pytest.approx(1.0)


def test_a_teachers_finer_map_is_brought_to_the_students_cells() -> None:
    fine = torch.randn(2, 5, 16, 16, generator=torch.Generator().manual_seed(5))
    coarse = torch.nn.functional.interpolate(fine, size=(8, 8), mode="bilinear", align_corners=False)
    assert float(feature_loss(coarse, fine, FeatureTerm())) == pytest.approx(0, abs=1e-5)
