"""The head that our own families share: a light feature pyramid that ends in one logit map."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def conv_unit(channels_in: int, channels_out: int, *, stride: int = 1) -> nn.Sequential:
    """Make a 3 x 3 convolution with batch norm and ReLU, the unit that every runtime fuses best."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class Pyramid(nn.Module):
    """Top-down fusion (Lin et al. 2017, arXiv 1612.03144) of feature maps that halve in size, to logits.

    Attributes:
        laterals: One 1 x 1 convolution per level, finest first.
        smooth: 3 x 3 unit on the finest level.
        logits: 1 x 1 convolution to one channel.
    """

    def __init__(self, level_channels: list[int], width: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in level_channels)
        self.smooth = conv_unit(width, width)
        self.logits = nn.Conv2d(width, 1, 1)
        if self.logits.bias is not None:
            nn.init.constant_(self.logits.bias, -2.0)  # defects are rare: start out calm

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Fuse levels, finest first, each half the size of the one before, to logits at the finest size."""
        fused = self.laterals[-1](levels[-1])
        for lateral, level in zip(reversed(self.laterals[:-1]), reversed(levels[:-1]), strict=True):
            fused = functional.interpolate(fused, scale_factor=2.0, mode="nearest") + lateral(level)
        logits: Tensor = self.logits(self.smooth(fused))
        return logits
