"""Filling a memory with features of good parts.

Two halves of the good parts look at each other: what each half's memory says of the other half is what good parts that
it had not seen look like. That gives every cell its centre and spread, and the score its scale. Then all good parts are
remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from ..networks.base.inspector import score_logits
from ..networks.base.memory_network import Covariance, Memory, MemoryNetwork, Nearest

_BATCH = 16
_CANDIDATES = 30_000
_PROJECTED = 48
_COUNTS_AS_FRAMES = 10.0
"""The whole frame's spread counts as so many frames in each cell's own: a few frames say little of one cell."""
_COVARIANCE_FRAMES = 256
_RIDGE = 1e-4
_GOOD_LOGIT, _LOGITS_A_DEVIATION = -4.0, 1.0
_SMALLEST = 1e-6


@torch.no_grad()
def remember(
    network: MemoryNetwork, levels: Mapping[int, Tensor], first: Tensor, owners: Tensor, *, place: float
) -> Tensor:
    """Fill the memories and scale the logits.

    Args:
        network: Empty, or filled before.
        levels: What its `levels` gives of good frames or tiles of frames, by stride `[tiles, channels, rows, columns]`.
        first: Which frames are the first half, bool `[frames]`.
        owners: Which frame each tile is of, int64 `[tiles]`.
        place: How much a feature's place counts, see `MemorySettings`.

    Returns:
        The score of each frame by the half that did not hold it, `[frames]`; a frame in tiles scores as the worst.
    """
    unseen: list[Tensor] = []
    halves = first[owners]
    for stride, module in zip(network.looked_at, network.memories, strict=True):
        memory, features = cast("Memory", module), levels[stride]
        distances = torch.zeros(len(features), 1, *features.shape[2:])
        for half in (halves, ~halves):
            _take(memory.distance, features[half], place=place)
            distances[~half] = torch.cat([memory.distance(each.float()) for each in _batches(features[~half])])
        _take(memory.distance, features, place=place)
        memory.centre, memory.spread = _moments(distances)
        unseen.append((distances - memory.centre) / memory.spread)
    of_tiles = score_logits(network.combined(unseen))
    scores = torch.full((len(first),), -torch.inf).scatter_reduce(0, owners, of_tiles, "amax")
    spread = spread_of(scores)
    network.gain.fill_(_LOGITS_A_DEVIATION / spread)
    network.offset.fill_(float(scores.mean()) - _GOOD_LOGIT * spread / _LOGITS_A_DEVIATION)
    return scores


def _take(distance: Covariance | Nearest, features: Tensor, *, place: float) -> None:
    if isinstance(distance, Covariance):
        _take_moments(distance, features, place=place)
    else:
        _take_features(distance, features, place=place)


def _take_moments(distance: Covariance, features: Tensor, *, place: float) -> None:
    """Take the mean at each place, drawn towards the frame's where frames are few, and the covariance of the rest."""
    own = features.float().mean(dim=0, keepdim=True)
    share = len(features) / (len(features) + _COUNTS_AS_FRAMES) if place else 0.0
    distance.mean = share * own + (1 - share) * own.mean(dim=(2, 3), keepdim=True)
    left = (features[:: max(1, len(features) // _COVARIANCE_FRAMES)].float() - distance.mean).transpose(0, 1).flatten(1)
    covariance = left @ left.T / left.shape[1]
    covariance += _RIDGE * covariance.diagonal().mean() * torch.eye(len(covariance)) + _SMALLEST * torch.eye(len(left))
    whitening = torch.linalg.inv(torch.linalg.cholesky(covariance)) / len(left) ** 0.5
    distance.whitening = whitening.unsqueeze(-1).unsqueeze(-1).contiguous()


def _batches(features: Tensor) -> list[Tensor]:
    return [features[start : start + _BATCH] for start in range(0, len(features), _BATCH)]


def _take_features(distance: Nearest, features: Tensor, *, place: float) -> None:
    kept, rows, columns = len(distance.bank), features.shape[2], features.shape[3]
    some = features[:: max(1, len(features) // _COVARIANCE_FRAMES)].float()
    deviation = some.std(dim=(0, 2, 3)).clamp(min=1e-3)
    distance.scale = 1.0 / (deviation * len(deviation) ** 0.5).view(1, -1, 1, 1)
    down, across = torch.meshgrid(torch.linspace(0, 1, rows), torch.linspace(0, 1, columns), indexing="ij")
    distance.places = torch.stack([down, across]).unsqueeze(0) * place
    distance.bank = _coreset(_candidates(distance, features), kept)


def _candidates(distance: Nearest, features: Tensor) -> Tensor:
    """Draw features evenly from all frames, `[at most 30,000, channels + 2]`."""
    cells = features.shape[2] * features.shape[3]
    each = max(1, min(cells, _CANDIDATES // len(features)))
    drawn = [
        described.flatten(1).T[torch.randperm(cells)[:each]]
        for batch in _batches(features)
        for described in distance.described(batch.float())
    ]
    return torch.cat(drawn)[:_CANDIDATES]


def _coreset(candidates: Tensor, kept: int) -> Tensor:
    """Keep the features that cover all others best, farthest first (O. Sener, S. Savarese, ICLR 2018, 1708.00489).

    Distances are taken after a random projection, as PatchCore does; fewer candidates than asked for are repeated.
    """
    projected = candidates @ torch.randn(candidates.shape[1], _PROJECTED) / _PROJECTED**0.5
    squares = projected.square().sum(dim=1)
    nearest = torch.full((len(candidates),), torch.inf)
    chosen = [int(torch.randint(len(candidates), ()))]
    while len(chosen) < min(kept, len(candidates)):
        last = chosen[-1]
        nearest = torch.minimum(nearest, squares + squares[last] - 2.0 * (projected @ projected[last]))
        chosen.append(int(nearest.argmax()))
    repeated = [chosen[index % len(chosen)] for index in range(kept)]
    return candidates[repeated].unsqueeze(-1).unsqueeze(-1).contiguous()


def _moments(distances: Tensor) -> tuple[Tensor, Tensor]:
    """Give centre and spread of each cell, `[1, 1, rows, columns]`, drawn towards those of the whole frame."""
    share = len(distances) / (len(distances) + _COUNTS_AS_FRAMES)
    middle = distances.mean()
    own = distances.mean(dim=0, keepdim=True)
    variance = (distances - own).square().mean(dim=0, keepdim=True)
    centre = share * own + (1 - share) * middle
    overall = variance.mean() + (own - middle).square().mean() * (1 - share)
    spread = (share * variance + (1 - share) * overall).sqrt()
    return centre, spread.clamp(min=max(_SMALLEST, 0.01 * float(middle)))


def spread_of(scores: Tensor) -> float:
    """Give the standard deviation of scores `[frames]`, > 0."""
    return max(float(scores.std()) if len(scores) > 1 else 1.0, _SMALLEST)
