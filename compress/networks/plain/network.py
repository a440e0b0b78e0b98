"""The torch module behind the family `plain`."""

from __future__ import annotations

from torch import Tensor, nn

from ..base.pyramid import Pyramid, conv_unit

_STAGE_FACTORS = (1, 2, 4, 4)  # at strides 4, 8, 16, 32


class PlainNetwork(nn.Module):
    """Stem and four stages of 3 x 3 convolutions, then a `Pyramid`.

    Attributes:
        stem: To stride 2.
        stages: To strides 4, 8, 16, 32.
        head: From the stages `finest - 1` and up.
    """

    def __init__(self, width: int, depth: int, channels: int, *, finest: int) -> None:
        super().__init__()
        self.finest = finest
        widths = [width * factor for factor in _STAGE_FACTORS]
        self.stem = conv_unit(channels, max(8, width // 2), stride=2)
        inputs = [max(8, width // 2), *widths[:-1]]
        self.stages = nn.ModuleList(
            _stage(channels_in, channels_out, depth) for channels_in, channels_out in zip(inputs, widths, strict=True)
        )
        self.head = Pyramid(widths[finest - 1 :], width * finest)

    def forward(self, pixels: Tensor) -> Tensor:
        """Give logits `[N, 1, h / stride, w / stride]` of normalised frames `[N, channels, h, w]`."""
        levels, features = [], self.stem(pixels)
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        logits: Tensor = self.head(levels[self.finest - 1 :])
        return logits


def _stage(channels_in: int, channels_out: int, depth: int) -> nn.Sequential:
    units = [conv_unit(channels_in, channels_out, stride=2)]
    units += [conv_unit(channels_out, channels_out) for _ in range(depth - 1)]
    return nn.Sequential(*units)
