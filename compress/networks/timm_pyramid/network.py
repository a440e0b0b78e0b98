"""The torch module behind the family `timm`."""

from __future__ import annotations

import timm
from torch import Tensor, nn

from ....inspection.base.errors import LineFileError
from ..base.pyramid import Pyramid

_STRIDES = (4, 8, 16, 32)


class TimmNetwork(nn.Module):
    """A timm backbone's features at strides 4 to 32, then a `Pyramid`.

    Attributes:
        backbone: Gives one feature map per level.
        head: Fuses them.
    """

    def __init__(self, backbone: str, width: int, channels: int, *, pretrained: bool) -> None:
        super().__init__()
        probe = timm.create_model(backbone, features_only=True, pretrained=False, in_chans=channels)
        strides = probe.feature_info.reduction()
        levels = [i for i, stride in enumerate(strides) if stride in _STRIDES]
        if [strides[i] for i in levels] != list(_STRIDES):
            msg = f"network: {backbone} gives strides {strides}, wanted 4, 8, 16, 32; choose another"
            raise LineFileError(msg)
        self.backbone = timm.create_model(
            backbone, features_only=True, pretrained=pretrained, in_chans=channels, out_indices=tuple(levels)
        )
        self.head = Pyramid(list(self.backbone.feature_info.channels()), width)

    def forward(self, pixels: Tensor) -> Tensor:
        """Give logits `[N, 1, h / 4, w / 4]` of normalised frames `[N, channels, h, w]`."""
        logits: Tensor = self.head(self.backbone(pixels))
        return logits
