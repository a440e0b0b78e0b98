"""The inspector: a network with its pre-processing and its decision, as one module."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ....inspection.data.frame import FrameSpec


class Inspector(nn.Module):
    """Camera frame in, defect score and heatmap out; what is exported is exactly this module.

    The score is the sigmoid of the largest 3 x 3 mean of the logit map: a defect has to show on neighbouring cells,
    one noisy cell does not reject a part.

    Attributes:
        network: Normalised frames float32 `[N, channels, height, width]` -> logits `[N, 1, rows, columns]`,
            rows and columns >= 3.
        frame: How frames are stretched and normalised.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, frame: FrameSpec) -> None:
        super().__init__()
        self.network = network
        self.frame = frame
        std = torch.tensor(frame.std, dtype=torch.float32).view(1, -1, 1, 1)
        mean = torch.tensor(frame.mean, dtype=torch.float32).view(1, -1, 1, 1)
        self.register_buffer("scale", 1.0 / (255.0 * std), persistent=False)
        self.register_buffer("shift", -mean / std, persistent=False)

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        """Inspect one frame.

        Args:
            frame: uint8 `[height, width, channels]`, any size (the frame's own where `FrameSpec` fixes it).

        Returns:
            Score, float32 scalar in [0, 1], and heatmap, uint8 `[rows, columns]`.
        """
        logits = self.network(self.prepare(frame.permute(2, 0, 1).unsqueeze(0)))
        heatmap = torch.round(torch.sigmoid(logits[0, 0]) * 255.0).to(torch.uint8)
        return torch.sigmoid(score_logits(logits))[0], heatmap

    def prepare(self, frames: Tensor) -> Tensor:
        """Stretch and normalise uint8 `[N, channels, h, w]` to float32 `[N, channels, height, width]`."""
        pixels = frames.to(torch.float32)
        if self.frame.resizes:
            size = (self.frame.height, self.frame.width)
            pixels = functional.interpolate(pixels, size=size, mode="bilinear", align_corners=False)
        return self.normalise(pixels)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Bring pixel values 0..255, float32 `[N, channels, h, w]`, to the network's scale."""
        return pixels * self.scale + self.shift


def score_logits(logits: Tensor) -> Tensor:
    """Reduce logit maps `[N, 1, rows, columns]` to one logit per frame, `[N]`."""
    return functional.avg_pool2d(logits, kernel_size=3, stride=1).amax(dim=(1, 2, 3))
