"""What training minimises: the labels' terms, and the teacher's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..networks.base.inspector import defect_logits, score_logits
from .teacher_terms import DistillWeights, FeatureTerm

_SURE = 12.0
"""Logits beyond this need not be matched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Views as tensors on the training device.

    Attributes:
        pixels: float32 `[N, channels, h, w]`, normalised.
        masks: float32 `[N, 1, h, w]`, 1 = defective.
        has_mask: bool `[N]`, see `augmentation.View`.
        defective: float32 `[N]`, 1 = defective.
        certain: float32 `[N]`, 0 = the view is not judged as a whole, see `augmentation.View`.
        done: Share of the planned training that lies behind, in [0, 1).
        kinds: uint8 `[N, h, w]`, see `augmentation.View`; None: kinds are not asked for.
    """

    pixels: Tensor
    masks: Tensor
    has_mask: Tensor
    defective: Tensor
    certain: Tensor
    done: float = 0.0
    kinds: Tensor | None = None


def label_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Score term on every view, plus a cell term where masks are known, plus pooling over locations where not.

    Args:
        logits: `[N, 1, rows, columns]`, or `[N, 1 + kinds, rows, columns]`: then plus a term of kinds.
        batch: Its views, `h` and `w` multiples of the heatmap's stride.

    Returns:
        Scalar.
    """
    if logits.shape[1] > 1:
        named = kind_loss(logits, batch) if batch.kinds is not None else logits.new_zeros(())
        return named + label_loss(defect_logits(logits), batch)
    score_term = functional.binary_cross_entropy_with_logits(score_logits(logits), batch.defective, batch.certain)
    known = batch.has_mask
    terms = [score_term]
    if bool(known.any()):
        terms.append(_cell_loss(logits[known], batch.masks[known]))
    if not bool(known.all()):
        pooled = torch.logsumexp(logits[~known].flatten(1), dim=1) - torch.tensor(float(logits[0].numel())).log() / 2
        terms.append(functional.binary_cross_entropy_with_logits(pooled, batch.defective[~known]))
    return torch.stack(terms).sum()


def kind_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of the kind where there is a defect; cells elsewhere say nothing of kinds.

    Every view with a defect of a known kind weighs alike, however large the defect. Where nobody said where it is,
    cells count as far as the network itself holds them defective.

    Args:
        logits: `[N, 1 + kinds, rows, columns]`.
        batch: Its views, with kinds.

    Returns:
        Scalar, >= 0; 0 where no view shows a known kind.
    """
    if batch.kinds is None:
        return logits.new_zeros(())
    count, size = logits.shape[1] - 1, (logits.shape[-2], logits.shape[-1])
    places = functional.one_hot(batch.kinds.long(), count + 1)[..., 1:].permute(0, 3, 1, 2).to(logits.dtype)
    coverage = functional.adaptive_avg_pool2d(places, size)
    heat = torch.sigmoid(logits[:, :1].detach())
    coverage = torch.where(batch.has_mask.view(-1, 1, 1, 1), coverage, coverage * heat)
    per_view = -(coverage * functional.log_softmax(logits[:, 1:], dim=1)).sum(dim=(1, 2, 3))
    weight = coverage.sum(dim=(1, 2, 3))
    shown = weight > 0
    return (per_view[shown] / weight[shown]).mean() if bool(shown.any()) else logits.new_zeros(())


def kind_teacher_loss(logits: Tensor, teacher_logits: Tensor, weights: DistillWeights) -> Tensor:
    """Kullback-Leibler divergence of the kinds' shares from the teacher's, where the teacher holds cells defective.

    Args:
        logits: The student's, `[N, 1 + kinds, rows, columns]`.
        teacher_logits: The teacher's, as many kinds; brought to the student's cells.
        weights: Of the terms.

    Returns:
        Scalar, >= 0.
    """
    aligned, warmth = _at_cells_of(logits, teacher_logits), weights.temperature
    heat = torch.sigmoid(aligned[:, 0])
    spread = functional.kl_div(
        functional.log_softmax(logits[:, 1:] / warmth, dim=1),
        functional.log_softmax(aligned[:, 1:] / warmth, dim=1),
        reduction="none",
        log_target=True,
    ).sum(dim=1)
    return weights.heatmap * warmth * (spread * heat).sum() / heat.sum().clamp(min=1e-3)


def teacher_loss(logits: Tensor, teacher_logits: Tensor, weights: DistillWeights, *, done: float = 0.0) -> Tensor:
    """Score and heatmap terms against the teacher on the same views.

    Softened score: Hinton et al. 2015, arXiv 1503.02531. Heatmap as a distribution over cells: Shu et al. 2021 (CWD),
    arXiv 2011.13256; and cell by cell, so that an empty frame stays empty.

    Args:
        logits: The student's, `[N, 1, rows, columns]`.
        teacher_logits: The teacher's, `[N, 1, any, any]`; brought to the student's cells.
        weights: Of the terms.
        done: Share of the training that lies behind, in [0, 1]; for weights that change.

    Returns:
        Scalar.
    """
    if logits.shape[1] > 1 and logits.shape[1] == teacher_logits.shape[1]:
        named = kind_teacher_loss(logits, teacher_logits, weights)
        return named + teacher_loss(defect_logits(logits), defect_logits(teacher_logits), weights, done=done)
    logits, teacher_logits = defect_logits(logits), defect_logits(teacher_logits)
    warmth = weights.temperature
    soft_score = torch.sigmoid(score_logits(teacher_logits) / warmth)
    score_term = functional.binary_cross_entropy_with_logits(score_logits(logits) / warmth, soft_score) * warmth
    aligned = _at_cells_of(logits, teacher_logits)
    cells = functional.binary_cross_entropy_with_logits(logits / warmth, torch.sigmoid(aligned / warmth)) * warmth
    spread = functional.kl_div(
        functional.log_softmax(logits.flatten(1) / warmth, dim=1),
        functional.log_softmax(aligned.flatten(1) / warmth, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    exact = _logit_difference(logits, aligned, weights.logits) if weights.logits else 0.0
    score = weights.score * weights.ramps.multiple("score", done)
    heatmap = weights.heatmap * weights.ramps.multiple("heatmap", done)
    return score * score_term + heatmap * (cells + 0.1 * spread * warmth) + exact


def _logit_difference(logits: Tensor, aligned: Tensor, weight: float) -> Tensor:
    """Compare heatmaps and scores in logits; what is surely good or surely defective for both counts as alike."""
    ours, theirs = (each.clamp(-_SURE, _SURE) for each in (logits, aligned))
    cells = functional.smooth_l1_loss(ours, theirs)
    return weight * (cells + functional.smooth_l1_loss(score_logits(ours), score_logits(theirs)))


def feature_loss(features: Tensor, teacher_features: Tensor, term: FeatureTerm) -> Tensor:
    """Compare feature maps, each channel of the one with the same channel of the other.

    `channels`: Kullback-Leibler divergence of a channel's softmax over the frame (Shu et al. 2021, CWD, arXiv
    2011.13256): where something is to be seen, whatever its size. `values`: the mean squared difference
    (Romero et al. 2015, FitNets, arXiv 1412.6550) in mean squares of the teacher's map, so that 1 is what an empty map
    costs.

    Args:
        features: The student's, adapted, `[N, channels, rows, columns]`.
        teacher_features: The teacher's, `[N, channels, any, any]`; brought to the student's cells.
        term: How to compare.

    Returns:
        Scalar, >= 0.
    """
    aligned = _at_cells_of(features, teacher_features)
    if term.match == "values":
        return functional.mse_loss(features, aligned) / aligned.square().mean().clamp(min=1e-6)
    warmth = term.temperature
    spread = functional.kl_div(
        functional.log_softmax(features.flatten(2) / warmth, dim=2),
        functional.log_softmax(aligned.flatten(2) / warmth, dim=2),
        reduction="none",
        log_target=True,
    )
    return spread.sum(dim=2).mean() * warmth**2


def _at_cells_of(maps: Tensor, others: Tensor) -> Tensor:
    """Bring other maps to the rows and columns of the first ones."""
    if others.shape[-2:] == maps.shape[-2:]:
        return others
    return functional.interpolate(others, size=maps.shape[-2:], mode="bilinear", align_corners=False)


def _cell_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Balance defective cells against the hardest tenth of the good ones; cells on the rim count for neither."""
    coverage = functional.adaptive_avg_pool2d(masks, (logits.shape[-2], logits.shape[-1]))
    most = coverage.amax(dim=(2, 3), keepdim=True)
    defective = (coverage > 0) & (coverage >= torch.minimum(most * 0.5, torch.full_like(most, 0.25)))
    good = coverage == 0
    per_cell = functional.binary_cross_entropy_with_logits(logits, defective.to(logits.dtype), reduction="none")
    hit = (per_cell * defective).sum() / defective.sum().clamp(min=1)
    calm = (per_cell * good).flatten(1)
    hardest = calm.topk(max(1, calm.shape[1] // 10), dim=1).values.mean()
    return 0.5 * hit + 0.5 * (calm.mean() + hardest)
