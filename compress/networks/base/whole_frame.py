"""What a frame looks like as a whole, judged by features that were learned elsewhere and stay as they are."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from .pyramid import channels_of, timm_features

_STRIDES = (8, 16, 32)


class WholeFrameTerm(nn.Module):
    """One linear function of a backbone's pooled features: a logit of the frame, for all cells of its heatmap.

    Attributes:
        backbone: Gives feature maps at strides 8, 16 and 32; never trained.
        weigh: From the means and maxima of each of their channels to the logit.
    """

    def __init__(self, backbone: str, channels: int, *, pretrained: bool | str | Path) -> None:
        super().__init__()
        self.backbone = timm_features(backbone, channels, _STRIDES, pretrained=pretrained)
        self.weigh = nn.Linear(2 * sum(channels_of(self.backbone)), 1)

    def pooled(self, pixels: Tensor) -> Tensor:
        """Give the features `[N, features]` of normalised frames `[N, channels, h, w]`."""
        maps = self.backbone(pixels)
        return torch.cat([pool for each in maps for pool in (each.mean(dim=(2, 3)), each.amax(dim=(2, 3)))], dim=1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Give logits `[N, 1, 1, 1]` of normalised frames `[N, channels, h, w]`."""
        logits: Tensor = self.weigh(self.pooled(pixels))
        return logits[:, :, None, None]
