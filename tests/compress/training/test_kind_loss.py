import torch
from beltline.compress.training.losses import Batch, kind_loss, kind_teacher_loss, label_loss, teacher_loss
from beltline.compress.training.teacher_terms import DistillWeights


def _batch(*, marked: bool = True) -> Batch:
    masks = torch.zeros(2, 1, 32, 32)
    masks[0, 0, :16, :16] = float(marked)
    kinds = torch.zeros(2, 32, 32, dtype=torch.uint8)
    kinds[0, :16, :16] = 2
    if not marked:
        kinds[0] = 2
    return Batch(
        pixels=torch.zeros(2, 1, 32, 32),
        masks=masks,
        has_mask=torch.tensor([marked, True]),
        defective=torch.tensor([1.0, 0.0]),
        certain=torch.ones(2),
        kinds=kinds,
    )


def _learned(batch: Batch) -> torch.Tensor:
    logits = torch.zeros(2, 4, 8, 8, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.2)
    for _ in range(80):
        optimizer.zero_grad()
        label_loss(logits, batch).backward()
        optimizer.step()
    return logits.detach()


def test_the_marked_kind_is_learned_where_it_is_marked() -> None:
    logits = _learned(_batch())
    assert bool((logits[0, 1:, :4, :4].argmax(dim=0) == 1).all())
    assert float(logits[1, 1:].abs().max()) == 0  # a good frame says nothing of kinds
    assert float(logits[0, 0, :4, :4].min()) > 0 > float(logits[0, 0, 4:, 4:].max())


def test_a_label_alone_teaches_the_kind_where_the_network_sees_a_defect() -> None:
    logits = torch.zeros(2, 4, 8, 8)
    logits[0, 0] = -8.0
    logits[0, 0, 2, 2] = 8.0
    logits.requires_grad_()
    kind_loss(logits, _batch(marked=False)).backward()
    assert logits.grad is not None
    strength = logits.grad[0, 1:].abs().sum(dim=0)
    assert float(strength[2, 2]) > 100 * float(strength[5, 5])
    assert float(logits.grad[:, 0].abs().max()) == 0  # kinds do not move the map of any defect


def test_a_teacher_with_the_same_kinds_is_followed_and_another_one_heard_for_the_defect_alone() -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    weights = DistillWeights()
    assert float(kind_teacher_loss(teacher, teacher, weights)) < 1e-6
    assert float(kind_teacher_loss(student, teacher, weights)) > 0.01
    alone = teacher_loss(student[:, :1], teacher[:, :1], weights)
    assert torch.allclose(teacher_loss(student, teacher[:, :1], weights), alone)
    assert float(teacher_loss(student, teacher, weights)) > float(alone)


def test_one_kind_costs_what_it_did() -> None:
    torch.manual_seed(0)
    logits, batch = torch.randn(2, 4, 8, 8), _batch()
    one = label_loss(logits[:, :1], batch)
    assert torch.allclose(label_loss(logits, batch) - kind_loss(logits, batch), one, atol=1e-6)
