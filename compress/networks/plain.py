"""Plain 3 x 3 convolutions with a small pyramid: what CPUs and GPUs alike run close to their peak."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from .base.backbones import Origin

if TYPE_CHECKING:
    from torch import nn


class PlainSettings(BaseModel):
    """Width and depth as numbers.

    Attributes:
        width: Channels of the finest stage; the coarser ones have 2, 4 and 4 times as many.
        depth: Convolutions per stage, the first of which halves the size.
        stride: Frame pixels per heatmap cell. 8 is about twice as fast as 4 and blind to finer detail.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    width: int = Field(default=16, ge=4, le=256)
    depth: int = Field(default=2, ge=1, le=12)
    stride: int = Field(default=4, description="4 or 8", ge=4, le=8, multiple_of=4)


@dataclass(frozen=True, slots=True)
class PlainFamily:
    """The family `plain`."""

    name: str = "plain"
    settings_type: type[PlainSettings] = PlainSettings

    def missing(self) -> str | None:
        """Nothing beyond torch is needed."""
        return None

    def sources(self, settings: PlainSettings) -> tuple[Path, ...]:  # noqa: ARG002  every family is asked alike
        """Nothing of the user's decides what it is."""
        return ()

    def packages(self, settings: PlainSettings) -> tuple[str, ...]:  # noqa: ARG002  every family is asked alike
        """Name what its modules come from."""
        return ("torch",)

    def origin(self, settings: PlainSettings, channels: int) -> Origin | None:  # noqa: ARG002  every family is asked alike
        """Nothing is known of what its weights start from."""
        return None

    def build(self, settings: PlainSettings, channels: int) -> nn.Module:
        """Make an untrained network: `[N, channels, h, w]` -> logits `[N, 1, h / stride, w / stride]`."""
        from .base.pyramid import PlainNetwork

        return PlainNetwork(settings.width, settings.depth, channels, finest=1 if settings.stride == 4 else 2)


NETWORK = PlainFamily()
