"""From a `network:` entry of line.yaml to a torch module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import AfterValidator, BaseModel

from ....inspection.base.errors import LineFileError, MissingPartError
from ....inspection.base.plugins import plugins, provider, unknown_plugin
from ....inspection.base.storage import digest_of_file
from ....inspection.base.validation import checked_settings
from ....inspection.data.frame import FrameSpec
from .backbones import Origin, not_installed

if TYPE_CHECKING:
    from torch import nn


class Family(Protocol):
    """A kind of network. One file in `compress/networks/` each, with the constant `NETWORK`."""

    @property
    def name(self) -> str:
        """As written under `family:`."""
        ...

    @property
    def settings_type(self) -> type[BaseModel]:
        """What may stand beside `family:`."""
        ...

    def missing(self) -> str | None:
        """Say what is not installed, or None."""
        ...

    def sources(self, settings: Any) -> tuple[Path, ...]:
        """Give the user's own files that decide what the network is; none where Beltline and packages do."""
        ...

    def packages(self, settings: Any) -> tuple[str, ...]:
        """Name the distributions that decide what the network is, such as `timm`."""
        ...

    def origin(self, settings: Any, channels: int) -> Origin | None:
        """Say where the first weights come from; None where they are random."""
        ...

    def build(self, settings: Any, channels: int) -> nn.Module:
        """Make an untrained network: float32 `[N, channels, h, w]` -> logits `[N, 1, rows, columns]`."""
        ...


def normal_network(network: dict[str, Any]) -> dict[str, Any]:
    """Check a network's description and fill in its defaults.

    >>> normal_network({"family": "plain", "width": 12})
    {'family': 'plain', 'width': 12, 'depth': 2, 'stride': 4}

    Raises:
        LineFileError: No such family, or a value that its settings do not take.
    """
    family, options = _split(network)
    settings = checked_settings(family.settings_type, options, lead=f"network {family.name}: ")
    return {"family": family.name, **settings.model_dump(mode="json")}


def full_network(network: Mapping[str, Any]) -> dict[str, Any]:
    """Give a description with every key of its family, those too that `normal_network` leaves out at their default.

    Raises:
        LineFileError: No such family, or a value that its settings do not take.
    """
    written = normal_network(dict(network))
    family, _ = _split(written)
    return {**{name: field.default for name, field in family.settings_type.model_fields.items()}, **written}


def missing_weights(network: Mapping[str, Any]) -> str | None:
    """Say which pretrained weights a network starts from that are not installed, and the command; None: all are there.

    Raises:
        LineFileError: No such weights are known.
    """
    options = full_network(network)
    if "backbone" not in options or not isinstance(pretrained := options.get("pretrained"), bool | str):
        return None
    return not_installed(options["backbone"], pretrained) if pretrained else None


NetworkSettings = Annotated[dict[str, Any], AfterValidator(normal_network)]
"""A pydantic field type: a checked description with all defaults filled in."""


def placed_network(network: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Let every relative path in a description start from a folder."""
    family, options = _split(network)
    settings = family.settings_type.model_validate(options)
    paths = {name: str((folder / value).resolve()) for name, value in settings if isinstance(value, Path)}
    return {**network, **paths}


def own_code(network: Mapping[str, Any]) -> dict[str, list[str]]:
    """Give the digests of the user's own code behind a network as `code`, empty where there is none.

    A change of it makes another network.
    """
    if not network:
        return {}
    family, options = _split(network)
    digests = [digest_of_file(path) for path in family.sources(family.settings_type.model_validate(options))]
    return {"code": digests} if digests else {}


def network_packages(network: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the distributions behind a network: those that its family names, and the one that brought the family.

    Raises:
        LineFileError: No such family, or a value that its settings do not take.
    """
    family, options = _split(normal_network(dict(network)))
    brought = provider("compress.networks", family)
    return (*family.packages(family.settings_type.model_validate(options)), *brought)


def origin_of_network(network: Mapping[str, Any], channels: int) -> Origin | None:
    """Say where a network's first weights come from; None where they are random.

    Raises:
        LineFileError: No such weights are known.
        WeightsError: Their file cannot be read.
    """
    family, options = _split(network)
    return family.origin(family.settings_type.model_validate(options), channels)


def with_moments(frame: FrameSpec, origin: Origin | None) -> FrameSpec:
    """Let frames be normalised as a network's first weights want it."""
    if origin is None or origin.moments is None:
        return frame
    return replace(frame, mean=origin.moments[0], std=origin.moments[1])


def build_network(network: dict[str, Any], channels: int, *, kinds: int = 0) -> nn.Module:
    """Make an untrained network from its description.

    Args:
        network: The description.
        channels: Of the frames.
        kinds: Kinds of defect that it is to tell apart: so many maps more than the one of any defect.

    Raises:
        LineFileError: The description is wrong, or the network cannot tell kinds apart.
        MissingPartError: The family's package is not installed.
    """
    family, options = _split(normal_network(network))
    if (missing := family.missing()) is not None:
        raise MissingPartError(missing)
    built = family.build(family.settings_type.model_validate(options), channels)
    return _with_kinds(built, kinds, name=family.name) if kinds else built


def _with_kinds(network: nn.Module, kinds: int, *, name: str) -> nn.Module:
    """Widen the last layer, a convolution to one map, by one map for each kind, in place."""
    import torch

    layers = [(path, each) for path, each in network.named_modules() if isinstance(each, torch.nn.Conv2d)]
    if not layers or layers[-1][1].out_channels != 1:
        msg = (
            f"network {name}: wanted a last layer that is a convolution to one map, to tell {kinds} kinds of defect "
            "apart; take another family, or leave teacher.kinds out"
        )
        raise LineFileError(msg)
    path, old = layers[-1]
    kernel, stride, padding = old.kernel_size, old.stride, old.padding
    wide = torch.nn.Conv2d(
        old.in_channels,
        1 + kinds,
        (kernel[0], kernel[1]),
        (stride[0], stride[1]),
        padding if isinstance(padding, str) else (padding[0], padding[1]),
        bias=old.bias is not None,
    )
    with torch.no_grad():
        wide.weight[:1] = old.weight
        if wide.bias is not None and old.bias is not None:
            wide.bias.zero_()
            wide.bias[:1] = old.bias
    parent, _, own = path.rpartition(".")
    setattr(network.get_submodule(parent), own, wide)
    return network


def _split(network: Mapping[str, Any]) -> tuple[Family, dict[str, Any]]:
    name = network.get("family", "plain")
    if (wrong := unknown_plugin("compress.networks", name)) is not None:
        msg = f"network: family: {wrong}"
        raise LineFileError(msg)
    return plugins("compress.networks")[name], {key: value for key, value in network.items() if key != "family"}
