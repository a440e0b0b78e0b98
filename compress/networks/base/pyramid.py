"""Our own networks: a light feature pyramid that ends in one logit map, on plain stages or on a timm backbone."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from ....inspection.base.errors import LineFileError
from .backbones import Origin, backbone_weights, classifier_of

_STAGE_FACTORS = (1, 2, 4, 4)  # at strides 4, 8, 16, 32


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


class BackboneNetwork(nn.Module):
    """A network of which one part may have learned elsewhere.

    Attributes:
        backbone: That part.
    """

    backbone: nn.Module


def learned_part(network: nn.Module, origin: Origin | None) -> nn.Module | None:
    """Give the part of a network whose first weights were learned elsewhere; None where there is none."""
    return network.backbone if origin is not None and isinstance(network, BackboneNetwork) else None


class TimmNetwork(BackboneNetwork):
    """A timm backbone's features at some strides, then a `Pyramid`.

    Attributes:
        backbone: Gives one feature map per level.
        head: Fuses them.
        whole: Gives logits `[N, 1, 1, 1]` of the frame, which are added; None: nothing is added.
    """

    def __init__(
        self,
        backbone: str,
        width: int,
        channels: int,
        *,
        pretrained: bool | str | Path,
        strides: tuple[int, ...],
        whole: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.backbone = timm_features(backbone, channels, strides, pretrained=pretrained)
        self.head = Pyramid(channels_of(self.backbone), width)
        self.whole = whole

    def forward(self, pixels: Tensor) -> Tensor:
        """Give logits `[N, 1, h / stride, w / stride]` of normalised frames `[N, channels, h, w]`."""
        logits: Tensor = self.head(self.backbone(pixels))
        return logits if self.whole is None else logits + self.whole(pixels)


def timm_features(
    backbone: str, channels: int, strides: tuple[int, ...], *, pretrained: bool | str | Path
) -> nn.Module:
    """Make the part of a timm network that gives feature maps at some strides, finest first, and nothing behind it.

    Args:
        backbone: timm's name.
        channels: Of the frames; of pretrained weights for three channels, one channel takes the sum.
        strides: Wanted, ascending.
        pretrained: See `TimmSettings`.

    Raises:
        LineFileError: It has no maps at these strides.
        MissingPartError: The weights that are asked for are not installed.
        WeightsError: They cannot be read, or are another network's.
    """
    import timm

    probe = timm.create_model(backbone, features_only=True, pretrained=False, in_chans=channels)
    given = probe.feature_info.reduction()
    levels = [i for i, stride in enumerate(given) if stride in strides]
    if [given[i] for i in levels] != list(strides):
        wanted = ", ".join(map(str, strides))
        msg = f"network: {backbone} gives strides {given}, wanted {wanted}; choose another"
        raise LineFileError(msg)
    weights = None if pretrained is False else _whole_weights(backbone, pretrained, features=probe.state_dict().keys())
    with _classifier_left_out():
        features: nn.Module = timm.create_model(
            backbone,
            features_only=True,
            pretrained=weights is not None,
            pretrained_cfg_overlay={"state_dict": weights} if weights is not None else None,
            in_chans=channels,
            out_indices=tuple(levels),
        )
    if levels[-1] + 1 < len(given):
        _cut_behind(features)
    return features


def channels_of(features: nn.Module) -> list[int]:
    """Give the channels of the maps that `timm_features` gives, finest first."""
    info: Any = features.feature_info
    return list(info.channels())


def _stage(channels_in: int, channels_out: int, depth: int) -> nn.Sequential:
    units = [conv_unit(channels_in, channels_out, stride=2)]
    units += [conv_unit(channels_out, channels_out) for _ in range(depth - 1)]
    return nn.Sequential(*units)


def _cut_behind(features: nn.Module) -> None:
    """Drop the blocks behind the last map, in place: timm's feature networks in blocks run them for nothing."""
    info: Any = features.feature_info
    stages = [each["stage"] for each in info.get_dicts() if "stage" in each]
    if stages and isinstance(blocks := getattr(features, "blocks", None), nn.Sequential):
        features.blocks = blocks[: max(stages)]


@contextmanager
def _classifier_left_out() -> Iterator[None]:
    """Keep timm from warning of the classifier's weights: all names were checked, and features need no classifier."""
    builder = logging.getLogger("timm.models._builder")
    level = builder.level
    builder.setLevel(logging.ERROR)
    try:
        yield
    finally:
        builder.setLevel(level)


def _whole_weights(backbone: str, pretrained: bool | str | Path, *, features: Collection[str]) -> dict[str, Tensor]:
    """Read pretrained weights for three channels and see that every name and shape is the network's."""
    import timm

    whole = timm.create_model(backbone, pretrained=False)
    classifier = classifier_of(whole)
    return backbone_weights(backbone, pretrained, whole.state_dict(), classifier=classifier, features=features)
