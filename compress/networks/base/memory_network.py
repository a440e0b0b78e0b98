"""What good parts look like, as a network: how far each cell's features lie from those that good parts have there.

Sources: T. Defard et al., "PaDiM", 2021, arXiv 2011.08785 (features of a pretrained backbone as a normal distribution
at each place); K. Roth et al., "Towards total recall in industrial anomaly detection" (PatchCore), CVPR 2022, arXiv
2106.08265 (the nearest of the features kept of good parts, averaged over neighbours). Added here: where a feature
stands counts in the distance to the nearest; one covariance serves all places; and each cell's distance is taken in
standard deviations of the distances that good parts, which the memory had not seen, have there: at a frame's rim and at
edges of the part good cells are farther off than elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from .pyramid import channels_of, timm_features

_SMALLEST = 1e-6


class Covariance(nn.Module):
    """Distance of features to the mean at their place, in units of their spread over all places (Mahalanobis).

    Attributes:
        mean: Of good parts, `[1, channels, rows, columns]`.
        whitening: Makes what is left uncorrelated with variance 1 / channels, `[channels, channels, 1, 1]`.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("whitening", torch.eye(channels).view(channels, channels, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Give `[N, 1, rows, columns]` of features `[N, channels, rows, columns]`."""
        white = functional.conv2d(features - _at(self.mean, features), self.whitening)
        return white.square().sum(dim=1, keepdim=True).clamp(min=_SMALLEST).sqrt()


class Nearest(nn.Module):
    """Distance of features and their places to the nearest of those kept.

    Attributes:
        scale: What each channel is multiplied with, so that channels count alike, `[1, channels, 1, 1]`.
        places: Coordinates of each cell, `[1, 2, rows, columns]`.
        bank: What was kept, scaled, its coordinates behind, `[kept, channels + 2, 1, 1]`.
    """

    scale: Tensor
    places: Tensor
    bank: Tensor

    def __init__(self, channels: int, kept: int) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(1, channels, 1, 1))
        self.register_buffer("places", torch.zeros(1, 2, 1, 1))
        self.register_buffer("bank", torch.zeros(kept, channels + 2, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Give `[N, 1, rows, columns]` of features `[N, channels, rows, columns]`."""
        described = self.described(features)
        products = functional.conv2d(described, self.bank * -2.0, self.bank.square().sum(dim=(1, 2, 3)))
        nearest = products.amin(dim=1, keepdim=True) + described.square().sum(dim=1, keepdim=True)
        return nearest.clamp(min=_SMALLEST).sqrt()

    def described(self, features: Tensor) -> Tensor:
        """Scale features and put the coordinates behind, `[N, channels + 2, rows, columns]`."""
        places = _at(self.places, features).expand(features.shape[0], -1, -1, -1)
        return torch.cat([features * self.scale, places], dim=1)


class Memory(nn.Module):
    """What good parts look like at one scale.

    Attributes:
        distance: `Covariance` or `Nearest`.
        centre: Mean distance of unseen good parts at each cell, `[1, 1, rows, columns]`.
        spread: Its standard deviation there, > 0.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, distance: Covariance | Nearest) -> None:
        super().__init__()
        self.distance = distance
        self.register_buffer("centre", torch.zeros(1, 1, 1, 1))
        self.register_buffer("spread", torch.ones(1, 1, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Give each cell's distance in deviations of good ones, `[N, 1, rows, columns]`, of smoothed features."""
        distance: Tensor = self.distance(features)
        return (distance - _at(self.centre, distance)) / _at(self.spread, distance)


class MemoryNetwork(nn.Module):
    """A pretrained backbone, and behind its scales what good parts look like there.

    Attributes:
        backbone: Gives one feature map per stride, finest first.
        strides: Of these maps.
        memories: Those by covariance, then those by the nearest.
        looked_at: The stride that each looks at.
        gain: What deviations are multiplied with to become logits.
        offset: Deviations that have logit 0.
    """

    gain: Tensor
    offset: Tensor

    def __init__(
        self,
        backbone: str,
        channels: int,
        *,
        covariance: tuple[int, ...],
        nearest: tuple[int, ...],
        kept: int,
        pretrained: bool | str | Path,
    ) -> None:
        super().__init__()
        self.strides = tuple(sorted({*covariance, *nearest}))
        self.backbone = timm_features(backbone, channels, self.strides, pretrained=pretrained)
        widths = dict(zip(self.strides, channels_of(self.backbone), strict=True))
        self.looked_at = (*covariance, *nearest)
        by_covariance = (Memory(Covariance(widths[stride])) for stride in covariance)
        by_nearest = (Memory(Nearest(widths[stride], kept)) for stride in nearest)
        self.memories = nn.ModuleList((*by_covariance, *by_nearest))
        self.register_buffer("gain", torch.ones(()))
        self.register_buffer("offset", torch.zeros(()))

    def forward(self, pixels: Tensor) -> Tensor:
        """Give logits `[N, 1, rows, columns]` of normalised frames, at the cells of the finest stride."""
        return self.judged(self.levels(pixels))

    def levels(self, pixels: Tensor) -> dict[int, Tensor]:
        """Give what is remembered and compared: smoothed features by stride, `[N, channels, rows, columns]`."""
        features = self.backbone(pixels)
        return {stride: smoothed(level) for stride, level in zip(self.strides, features, strict=True)}

    def judged(self, levels: Mapping[int, Tensor]) -> Tensor:
        """Give logits of smoothed features, which `levels` gives."""
        maps = [memory(levels[stride]) for stride, memory in zip(self.looked_at, self.memories, strict=True)]
        return (self.combined(maps) - self.offset) * self.gain

    def combined(self, maps: list[Tensor]) -> Tensor:
        """Give the mean of maps `[N, 1, any, any]`, one for each memory, at the cells of the finest."""
        finest = max(maps, key=lambda each: each.shape[-1])
        return torch.stack([_at(each, finest) for each in maps]).mean(dim=0)


def smoothed(features: Tensor) -> Tensor:
    """Average features over 3 x 3 cells; at the rim over those that there are."""
    return functional.avg_pool2d(features, 3, 1, 1, count_include_pad=False)


def _at(maps: Tensor, like: Tensor) -> Tensor:
    """Bring maps to the rows and columns of others."""
    if maps.shape[-2:] == like.shape[-2:]:
        return maps
    return functional.interpolate(maps, size=like.shape[-2:], mode="bilinear", align_corners=False)
