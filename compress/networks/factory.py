"""The user's own network: a function of theirs makes it, an adapter turns its output into a logit map."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ConfigDict, Field

from ...inspection.base.packages import imported_distributions, missing_package
from .base.backbones import Origin
from .base.output_settings import OutputSettings

if TYPE_CHECKING:
    from torch import nn


class FactorySettings(OutputSettings):
    """Where the user's function is, beside what its module returns.

    Attributes:
        factory: `module:function`, called without arguments.
        folder: Looked in before the installed packages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    factory: str = Field(default="my_models:build", pattern=r"^[\w.]+:\w+$")
    folder: Path = Path()


@dataclass(frozen=True, slots=True)
class FactoryFamily:
    """The family `factory`: runs code that the user named in line.yaml, and only that."""

    name: str = "factory"
    settings_type: type[FactorySettings] = FactorySettings

    def missing(self) -> str | None:
        """Say whether torch is absent."""
        return missing_package("torch", "train")

    def sources(self, settings: FactorySettings) -> tuple[Path, ...]:
        """Give the module's file or its package's, and the modules beside it, which it may import."""
        package = settings.folder / settings.factory.split(":")[0].split(".")[0]
        return tuple(sorted({*settings.folder.glob("*.py"), *package.rglob("*.py")}))

    def packages(self, settings: FactorySettings) -> tuple[str, ...]:
        """Give torch, the distribution of the user's module where it is installed, and what their own files import."""
        return ("torch", *imported_distributions(self.sources(settings), module=settings.factory.split(":")[0]))

    def origin(self, settings: FactorySettings, channels: int) -> Origin | None:  # noqa: ARG002  every family is asked alike
        """Nothing is known of what its weights start from."""
        return None

    def build(self, settings: FactorySettings, channels: int) -> nn.Module:  # noqa: ARG002  the user's module decides
        """Call the factory and put the adapter around its module, all of it free to learn.

        What a factory froze is trainable here: what is pruned or quantized must be fine-tuned with the rest.

        Raises:
            LineFileError: There is no such module or function, or it does not return a `torch.nn.Module`.
        """
        from ..teacher.adapter import AdaptedNetwork, made_by

        module = made_by(settings.factory, settings.folder)
        for parameter in module.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
        return AdaptedNetwork(module, settings)


NETWORK = FactoryFamily()
