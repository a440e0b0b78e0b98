"""The term of a teacher's network that judges the frame as a whole: fitted in closed form, weighed on val."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...inspection.data.dataset import Dataset, Sample, evenly
from ...inspection.statistics.roc import auroc
from ..networks.base.families import build_network
from ..networks.base.inspector import Inspector
from ..networks.base.pyramid import TimmNetwork
from ..networks.base.whole_frame import WholeFrameTerm
from ..recipe import Progress
from ..training.scores import batch_scores, prepared_batches

_FRAMES = 2000
_PENALTIES = (0.0003, 0.003, 0.03)
_FOLDS = 5
_LEAST_WEIGHT = 0.15
_MOST_WEIGHT = 2.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A teacher with its whole-frame term, or without one.

    Attributes:
        inspector: The teacher.
        network: Its description.
        line: For its lineage.
    """

    inspector: Inspector
    network: dict[str, Any]
    line: str


def with_whole_frame(
    inspector: Inspector, network: dict[str, Any], dataset: Dataset, device: torch.device, progress: Progress
) -> Judged:
    """Fit the whole-frame term of a trained teacher, and keep it where it says something new.

    The features are those of the backbone as it learned elsewhere, of each training frame once, so that they know
    nothing of the labels; a logistic regression on them, its penalty chosen by cross-validation over groups, says how
    defective a frame is. How much that counts beside the heatmap's score is found on val, from both scores at equal
    spread; under a seventh of the heatmap's weight it is left out.

    Args:
        inspector: Trained without the term, on the CPU; its last layer is scaled in place where the term is kept.
        network: Its description, with `whole_frame`.
        dataset: Train is fitted, val weighs.
        device: Where frames are looked at.
        progress: Called after every batch.
    """
    without = {**network, "whole_frame": False}
    train, val = evenly(dataset.of("train"), _FRAMES), dataset.of("val")
    labels, defective = (np.array([sample.defective for sample in each], dtype=np.bool_) for each in (train, val))
    if inspector.frame.tiles is not None or any(each.all() or not each.any() for each in (labels, defective)):
        line = "whole-frame term left out: it needs frames in one piece, good and defective ones in train and in val"
        return Judged(inspector=inspector, network=without, line=line)
    whole = build_network(network, inspector.frame.planes)
    if not isinstance(whole, TimmNetwork) or not isinstance(term := whole.whole, WholeFrameTerm):
        msg = f"a network without a whole-frame term: {network}"
        raise TypeError(msg)
    term = term.to(device).eval()
    features = _features(term, inspector, dataset, train, device, progress)
    found = _fitted(features, labels, [sample.group for sample in train])
    ours = batch_scores(inspector.to(device), dataset, val, device)
    theirs = _features(term, inspector, dataset, val, device, progress) @ found[0] + found[1]
    weight = _weight(ours, theirs, defective)
    said = f"whole-frame term: val AUROC {auroc(theirs, defective):.4f} beside {auroc(ours, defective):.4f}"
    inspector.to("cpu")
    if weight < _LEAST_WEIGHT:
        return Judged(inspector=inspector, network=without, line=f"{said}, left out")
    both = _joined(inspector, term.cpu(), found, ours, theirs, weight)
    return Judged(inspector=both, network=network, line=f"{said}, weight {weight:.2f}")


@torch.inference_mode()
def _features(
    term: WholeFrameTerm,
    inspector: Inspector,
    dataset: Dataset,
    samples: Sequence[Sample],
    device: torch.device,
    progress: Progress,
) -> Floats:
    """Give pooled features, `[samples, features]`."""
    found: list[Floats] = []
    for pixels, _aligned in prepared_batches(inspector, dataset, samples, device):
        found.append(term.pooled(pixels).double().cpu().numpy())
        progress("whole frames", sum(map(len, found)), len(samples))
    return np.concatenate(found)


def _fitted(features: Floats, labels: NDArray[np.bool_], groups: list[str]) -> tuple[Floats, float]:
    """Fit a logistic regression on standardised features; gives weights `[features]` and offset for raw ones."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    standard = (features - mean) / spread

    def model(penalty: float) -> Any:
        return LogisticRegression(C=penalty, max_iter=2000, class_weight="balanced")

    def held_out(penalty: float) -> float:
        folds = StratifiedGroupKFold(_FOLDS)
        scores = cross_val_predict(
            model(penalty), standard, labels, groups=groups, cv=folds, method="decision_function"
        )
        return auroc(scores, labels)

    splittable = min(len({each for each, bad in zip(groups, labels, strict=True) if bad == kind}) for kind in (0, 1))
    penalty = max(_PENALTIES, key=held_out) if splittable >= 2 * _FOLDS else _PENALTIES[1]
    fitted = model(penalty).fit(standard, labels)
    weights: Floats = fitted.coef_[0] / spread
    return weights, float(fitted.intercept_[0] - weights @ mean)


def _weight(ours: Floats, theirs: Floats, defective: NDArray[np.bool_]) -> float:
    """Say how much the term counts beside the heatmap's score, both at equal spread, in [0, 2]."""
    from sklearn.linear_model import LogisticRegression

    pair = np.column_stack([_standard(ours), _standard(theirs)])
    heatmap, whole = LogisticRegression(C=1.0, class_weight="balanced").fit(pair, defective).coef_[0]
    return float(np.clip(whole / max(heatmap, whole / _MOST_WEIGHT, 1e-6), 0.0, _MOST_WEIGHT))


def _standard(values: Floats) -> Floats:
    spread: Floats = (values - values.mean()) / (values.std() + 1e-9)
    return spread


@torch.no_grad()
def _joined(
    inspector: Inspector,
    term: WholeFrameTerm,
    found: tuple[Floats, float],
    ours: Floats,
    theirs: Floats,
    weight: float,
) -> Inspector:
    """Put the term beside the heatmap, so that their sum spreads about as the heatmap's score did."""
    network = inspector.network
    if not isinstance(network, TimmNetwork):
        msg = f"a {type(network).__name__} takes no whole-frame term"
        raise TypeError(msg)
    scale = weight / (1 + weight) * float(ours.std() / (theirs.std() + 1e-9))
    term.weigh.weight.copy_(torch.from_numpy(found[0] * scale)[None])
    term.weigh.bias.fill_(scale * (found[1] - float(theirs.mean())))
    network.head.logits.weight.mul_(1 / (1 + weight))
    if network.head.logits.bias is not None:
        network.head.logits.bias.mul_(1 / (1 + weight))
    network.whole = term.requires_grad_(False)
    return inspector.eval()
