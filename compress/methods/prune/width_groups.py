"""A network's groups of channels, read off torch-pruning's dependency graph, and the network made narrower."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import lcm
from typing import Any

import numpy as np
import torch
import torch_pruning
from numpy.typing import NDArray
from torch import Tensor, nn

from ...networks.base.inspector import Inspector
from ...networks.base.shape import LayerShape, NetworkShape, WidthGroup, Widths
from .choosing import Importance

_FEWEST = 0.1
"""A group keeps at least this share of its channels, as nothing gets past a layer that has lost nearly all."""

_BROKEN = (RuntimeError, ValueError, IndexError, TypeError, AttributeError, AssertionError)
"""What torch and torch-pruning raise where a network does not take a width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelGroup:
    """One group of the dependency graph, all its channels in it.

    Attributes:
        name: Of the layer at its root, inside the network.
        root: That layer's dependency and indices, as torch-pruning holds them.
        members: All of them.
        channels: Of the root.
        bundles: Channels leave in bundles of `channels / bundles`, one from each part of a grouped layer or norm.
    """

    name: str
    root: Any
    members: Any
    channels: int
    bundles: int

    def bundled(self, importance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring importance of channels `[channels]` to that of bundles `[bundles]`: their mean."""
        found: NDArray[np.float64] = importance.reshape(-1, self.bundles).mean(axis=0)
        return found


def pruner_of(inspector: Inspector, **options: Any) -> Any:
    """Trace a network for torch-pruning.

    The layer that gives the logits keeps its one channel, a last linear layer its classes.

    Args:
        inspector: On the CPU.
        options: Of torch-pruning's `BasePruner`.
    """
    modules = list(inspector.network.modules())
    kept: list[nn.Module] = [each for each in modules if isinstance(each, nn.Conv2d) and each.out_channels == 1]
    kept += [each for each in modules if isinstance(each, nn.Linear)][-1:]
    wanted = {"importance": torch_pruning.importance.GroupMagnitudeImportance(p=2), "ignored_layers": kept, **options}
    return torch_pruning.pruner.BasePruner(inspector.network, example_of(inspector), **wanted)


def example_of(inspector: Inspector) -> Tensor:
    """Give an empty input, float32 `[1, channels, height, width]`."""
    frame = inspector.frame
    return torch.zeros(1, frame.channels, frame.height, frame.width)


def channel_groups(inspector: Inspector, pruner: Any) -> list[ChannelGroup]:
    """List the groups that torch-pruning finds, in the order in which it passes the layers."""
    names = {module: name for name, module in inspector.network.named_modules()}
    found = []
    for group in pruner.DG.get_all_groups(
        ignored_layers=pruner.ignored_layers, root_module_types=pruner.root_module_types
    ):
        root, channels = group[0], len(group[0].idxs)
        parts = max(_parts(item.dep.target.module) for item in group)
        found.append(
            ChannelGroup(
                name=names[root.dep.target.module],
                root=root,
                members=group,
                channels=channels,
                bundles=channels // parts,
            )
        )
    return found


def network_shape(inspector: Inspector, *, round_to: int) -> NetworkShape:
    """Say which widths a network may have.

    Groups whose network no longer runs when they are made narrow (something in it counts on the width) are left as
    they are, and their layers named in `fixed`.

    Args:
        inspector: On the CPU, in evaluation mode; left as it is.
        round_to: Fewer channels are a multiple of this.
    """
    pruner = pruner_of(inspector)
    groups = channel_groups(inspector, pruner)
    widths = {group.name: _width_group(group, round_to) for group in groups}
    movable = {name: group for name, group in widths.items() if len(group.choices()) > 1}
    usable = _usable(inspector, movable)
    layers = tuple(_layers(inspector, pruner, [group for group in groups if group.name in usable]))
    return NetworkShape(
        groups=tuple(usable.values()),
        layers=layers,
        fixed=tuple(layer.name for layer in layers[:-1] if not layer.output_groups and layer.outputs > 1),
    )


def narrow(inspector: Inspector, widths: Widths, importance: Importance | None = None) -> None:
    """Bring groups to these widths, in place.

    Args:
        inspector: On the CPU.
        widths: Group to channels; a group that is left out keeps all of its own.
        importance: Of the bundles of each group; the least important ones leave. None: the last ones leave.
    """
    pruner = pruner_of(inspector)
    for group in channel_groups(inspector, pruner):
        bundles = widths.get(group.name, group.channels) * group.bundles // group.channels
        if bundles == group.bundles:
            continue
        order = np.arange(group.bundles)[::-1] if importance is None else np.argsort(importance[group.name])
        leaving = order[: group.bundles - bundles]
        parts = group.channels // group.bundles
        channels = sorted(int(bundle + part * group.bundles) for bundle in leaving for part in range(parts))
        pruner.DG.get_pruning_group(group.root.dep.target.module, group.root.dep.handler, channels).prune()


def _parts(module: Any) -> int:
    """Of how many equal parts a layer's channels are: as many leave from each."""
    if isinstance(module, nn.GroupNorm):
        return module.num_groups
    if isinstance(module, nn.Conv2d) and 1 < module.groups < module.out_channels:
        return module.groups
    return 1


def _width_group(group: ChannelGroup, round_to: int) -> WidthGroup:
    unit = lcm(round_to, group.channels // group.bundles)
    fewest = -(-max(1, round(_FEWEST * group.channels)) // unit) * unit
    return WidthGroup(name=group.name, channels=group.channels, unit=unit, fewest=min(fewest, group.channels))


def _usable(inspector: Inspector, groups: Mapping[str, WidthGroup]) -> dict[str, WidthGroup]:
    if _runs(inspector, {name: group.fewest for name, group in groups.items()}):
        return dict(groups)
    return {name: group for name, group in groups.items() if _runs(inspector, {name: group.fewest})}


@torch.no_grad()
def _runs(inspector: Inspector, widths: Widths) -> bool:
    """Whether the network still gives logits of the same shape."""
    wanted = inspector.network(example_of(inspector)).shape
    trial = copy.deepcopy(inspector)
    try:
        with torch.enable_grad():
            narrow(trial, widths)
        return bool(trial.network(example_of(inspector)).shape == wanted)
    except _BROKEN:
        return False


def _layers(inspector: Inspector, pruner: Any, groups: list[ChannelGroup]) -> Iterator[LayerShape]:
    inputs, outputs = _sides(inspector, pruner, groups)
    for name, module, macs in _passed(inspector):
        linear = isinstance(module, nn.Linear)
        yield LayerShape(
            name=name,
            inputs=module.in_features if linear else module.in_channels,
            outputs=module.out_features if linear else module.out_channels,
            macs=macs,
            depthwise=not linear and module.groups == module.out_channels > 1,
            input_groups=tuple(inputs.get(name, {}).items()),
            output_groups=tuple(outputs.get(name, {}).items()),
        )


def _sides(
    inspector: Inspector, pruner: Any, groups: list[ChannelGroup]
) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    """Say for each layer which groups its inputs and its outputs belong to, and how many a channel stands for."""
    names = {module: name for name, module in inspector.network.named_modules()}
    inputs: dict[str, dict[str, int]] = {}
    outputs: dict[str, dict[str, int]] = {}
    for group in groups:
        for item in group.members:
            module = item.dep.target.module
            if not isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                continue
            side = outputs if pruner.DG.is_out_channel_pruning_fn(item.dep.handler) else inputs
            side.setdefault(names[module], {})[group.name] = max(1, len(item.idxs) // group.channels)
    return inputs, outputs


@torch.no_grad()
def _passed(inspector: Inspector) -> list[tuple[str, Any, int]]:
    """List the layers in the order in which a frame passes them, with their multiply-accumulates."""
    found: list[tuple[str, Any, int]] = []
    names = {module: name for name, module in inspector.network.named_modules()}

    def watch(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weight = module.weight
        if isinstance(weight, Tensor):
            found.append((names[module], module, weight[0].numel() * output.numel()))

    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    hooks = [module.register_forward_hook(watch) for module in inspector.network.modules() if isinstance(module, kinds)]
    try:
        inspector.network(example_of(inspector))
    finally:
        for hook in hooks:
            hook.remove()
    return found
