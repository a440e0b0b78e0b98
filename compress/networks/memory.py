"""A memory of good parts on a pretrained backbone: fitted, not trained; for lines that have no defect yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ...inspection.base.errors import LineFileError
from ...inspection.base.packages import missing_package
from .base.backbones import Origin, Pretrained, origin_of, weights_file

if TYPE_CHECKING:
    from torch import nn


def _ascending(strides: tuple[int, ...]) -> tuple[int, ...]:
    if list(strides) != sorted(set(strides)):
        msg = f"wanted strides in ascending order, each once, got {list(strides)}; write {sorted(set(strides))}"
        raise ValueError(msg)
    return strides


Strides = Annotated[tuple[Annotated[int, Field(ge=4, le=32)], ...], Field(max_length=4), AfterValidator(_ascending)]


class MemorySettings(BaseModel):
    """What the memory sees, and how much of it is kept.

    Attributes:
        backbone: By its name in timm.
        pretrained: Its weights, as in the family `timm`; without any, its features mean little.
        covariance: Frame pixels per cell of the feature maps whose mean at each place and common covariance are kept.
        nearest: Of those of which single features are kept, for the distance to the nearest; for good parts of several
            looks in the same place, whose mean looks like none of them.
        kept: How many are kept there.
        place: How much a feature's place counts: 1 for parts that lie much the same in every frame, 0 where they lie
            anywhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    backbone: str = "tf_efficientnet_lite0"
    pretrained: Pretrained = True
    covariance: Strides = (8, 16, 32)
    nearest: Strides = ()
    kept: int = Field(default=500, ge=16, le=20_000)
    place: float = Field(default=1.0, ge=0, le=10, allow_inf_nan=False)

    @model_validator(mode="after")
    def _sees_something(self) -> MemorySettings:
        if not self.covariance and not self.nearest:
            msg = "covariance and nearest are both empty; name at least one stride, such as covariance: [16]"
            raise ValueError(msg)
        return self


@dataclass(frozen=True, slots=True)
class MemoryFamily:
    """The family `memory`."""

    name: str = "memory"
    settings_type: type[MemorySettings] = MemorySettings

    def missing(self) -> str | None:
        """Say whether timm is absent."""
        return missing_package("timm", "train")

    def sources(self, settings: MemorySettings) -> tuple[Path, ...]:
        """Give the file that the backbone's weights come from, where there is one."""
        file = weights_file(settings.backbone, settings.pretrained)
        return () if file is None else (file,)

    def packages(self, settings: MemorySettings) -> tuple[str, ...]:  # noqa: ARG002  every family is asked alike
        """Name what its modules come from."""
        return ("torch", "timm")

    def origin(self, settings: MemorySettings, channels: int) -> Origin | None:
        """Say where the backbone's weights come from, and the normalisation that they were trained with."""
        return origin_of(settings.backbone, settings.pretrained, channels)

    def build(self, settings: MemorySettings, channels: int) -> nn.Module:
        """Make an empty memory: `[N, channels, h, w]` -> logits at the cells of the finest stride.

        Raises:
            LineFileError: timm has no such backbone, or it does not give features at these strides.
            MissingPartError: The weights that are asked for are not installed.
            WeightsError: They cannot be read, or are another network's.
        """
        import timm

        from .base.memory_network import MemoryNetwork

        if not timm.is_model(settings.backbone):
            msg = f"network: timm has no backbone {settings.backbone!r}; timm.list_models() has them all"
            raise LineFileError(msg)
        return MemoryNetwork(
            settings.backbone,
            channels,
            covariance=settings.covariance,
            nearest=settings.nearest,
            kept=settings.kept,
            pretrained=settings.pretrained,
        )


NETWORK = MemoryFamily()
