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
        network: Normalised frames float32 `[N, planes, height, width]` -> logits `[N, 1, rows, columns]`,
            rows and columns >= 3, see `FrameSpec.planes`; `[N, 1 + kinds, rows, columns]` where it tells kinds of
            defect apart.
        frame: How frames are stretched and normalised.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, frame: FrameSpec) -> None:
        super().__init__()
        self.network = network
        self.frame = frame
        means, stds = frame.mean, frame.std
        if frame.reference:  # of the last plane 0 where there is a reference, -2 where there is none
            means, stds = (*means, *means, 1.0), (*stds, *stds, 0.5)
        std = torch.tensor(stds, dtype=torch.float32).view(1, -1, 1, 1)
        mean = torch.tensor(means, dtype=torch.float32).view(1, -1, 1, 1)
        self.register_buffer("scale", 1.0 / (255.0 * std), persistent=False)
        self.register_buffer("shift", -mean / std, persistent=False)

    def forward(self, frame: Tensor, reference: Tensor | None = None) -> tuple[Tensor, ...]:
        """Inspect one frame.

        Args:
            frame: uint8 `[height, width, channels]`, any size (the frame's own where `FrameSpec` fixes it).
            reference: uint8 `[height, width, channels + 1]`, moved onto the frame, see `references.pairs.Compared`;
                there if and only if `FrameSpec.reference`.

        Returns:
            Score, float32 scalar in [0, 1], and heatmap, uint8 `[rows, columns]`; where the network tells kinds apart
            also the heatmap shared out among them, uint8 `[kinds, rows, columns]`.
        """
        planes = frame.permute(2, 0, 1).unsqueeze(0)
        if reference is not None:  # plane after plane: engines are slow at joining them pixel by pixel
            planes = torch.cat([planes, reference.permute(2, 0, 1).unsqueeze(0)], dim=1)
        logits = self.network(self.prepare(planes))
        heat = torch.sigmoid(logits[0, 0]) * 255.0
        heatmap = torch.round(heat).to(torch.uint8)
        score = torch.sigmoid(score_logits(logits))[0]
        if not self.frame.kinds:
            return score, heatmap
        shares = torch.softmax(logits[0, 1:], dim=0)
        return score, heatmap, torch.round(heat * shares).to(torch.uint8)

    def prepare(self, frames: Tensor) -> Tensor:
        """Stretch and normalise uint8 `[N, planes, h, w]` to float32 `[N, planes, height, width]`."""
        pixels = frames.to(torch.float32)
        if self.frame.resizes:
            size = (self.frame.height, self.frame.width)
            pixels = functional.interpolate(pixels, size=size, mode="bilinear", align_corners=False)
        return self.normalise(pixels)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Bring pixel values 0..255, float32 `[N, planes, h, w]`, to the network's scale."""
        return pixels * self.scale + self.shift


def score_logits(logits: Tensor) -> Tensor:
    """Reduce logit maps `[N, 1 or 1 + kinds, rows, columns]` to one logit per frame, `[N]`."""
    return functional.avg_pool2d(defect_logits(logits), kernel_size=3, stride=1).amax(dim=(1, 2, 3))


def defect_logits(logits: Tensor) -> Tensor:
    """Give the map of any defect, `[N, 1, rows, columns]`, which stands before those of kinds."""
    return logits if logits.shape[1] == 1 else logits[:, :1]
