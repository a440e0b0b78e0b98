"""Networks of segmentation-models-pytorch: the usual teachers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...inspection.base.errors import LineFileError
from ...inspection.base.packages import missing_package
from .base.backbones import Origin

if TYPE_CHECKING:
    from torch import nn


class SmpSettings(BaseModel):
    """An architecture and an encoder by their names in segmentation-models-pytorch.

    Attributes:
        architecture: `FPN` ends at stride 4, `Unet` at stride 1.
        encoder: Such as `resnet18`, or `tu-<name>` for an encoder of timm.
        decoder_width: Channels of the decoder, a multiple of 64; None: the architecture's own default. FPN only.
        dropout: In the decoder, FPN only.
        pretrained: Start from ImageNet weights (needs the network once).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    architecture: Literal["FPN", "Unet"] = "FPN"
    encoder: str = "resnet18"
    decoder_width: int | None = Field(default=None, ge=64, le=512, multiple_of=64)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    pretrained: bool = False


@dataclass(frozen=True, slots=True)
class SmpFamily:
    """The family `smp`."""

    name: str = "smp"
    settings_type: type[SmpSettings] = SmpSettings

    def missing(self) -> str | None:
        """Say whether segmentation-models-pytorch is absent."""
        return missing_package("segmentation_models_pytorch", "train")

    def sources(self, settings: SmpSettings) -> tuple[Path, ...]:  # noqa: ARG002  every family is asked alike
        """Nothing of the user's decides what it is."""
        return ()

    def packages(self, settings: SmpSettings) -> tuple[str, ...]:  # noqa: ARG002  every family is asked alike
        """Name what its modules come from."""
        return ("torch", "segmentation-models-pytorch", "timm")

    def origin(self, settings: SmpSettings, channels: int) -> Origin | None:  # noqa: ARG002  every family is asked alike
        """Nothing is known of what its weights start from."""
        return None

    def build(self, settings: SmpSettings, channels: int) -> nn.Module:
        """Make a network: `[N, channels, h, w]` -> logits `[N, 1, rows, columns]`.

        Raises:
            LineFileError: There is no such encoder.
        """
        import segmentation_models_pytorch as smp

        options: dict[str, object] = {}
        if settings.architecture == "FPN":
            options = {"upsampling": 1, "decoder_dropout": settings.dropout}
            if settings.decoder_width is not None:
                options["decoder_pyramid_channels"] = settings.decoder_width
                options["decoder_segmentation_channels"] = settings.decoder_width // 2
        weights = "imagenet" if settings.pretrained else None
        try:
            network: nn.Module = smp.create_model(
                settings.architecture, settings.encoder, weights, in_channels=channels, classes=1, **options
            )
        except (KeyError, RuntimeError, OSError) as error:  # OSError: pretrained weights out of reach
            msg = f"network: segmentation-models-pytorch cannot make encoder {settings.encoder!r}: {error}"
            raise LineFileError(msg) from error
        return network


NETWORK = SmpFamily()
