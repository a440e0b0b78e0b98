"""Which groups of a network can be made narrower, found out by doing it, and the network made narrower.

A group counts when a copy of the network that has lost some of its channels still runs, gives what the whole network
gives with those channels set to zero, and can be read back from its weights. The others are left as they are and named.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import lcm
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ....inspection.base.errors import RecipeError
from ...checkpoint import fit_shapes
from ...networks.base.inspector import Inspector
from ...networks.base.shape import LayerShape, NetworkShape, WidthGroup, Widths
from .choosing import Importance
from .dependencies import (
    BROKEN,
    TRACE_SECONDS,
    WEIGHTED,
    ChannelGroup,
    Dependencies,
    bounded,
    dependencies_of,
    example_of,
    first_line,
    traceable,
)

_FEWEST = 0.1
"""A group keeps at least this share of its channels, as nothing gets past a layer that has lost nearly all."""

_MOST_TRIALS = 24
_NAMES = 8
_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.MultiheadAttention)
"""They mix channels: a network that has lost some does not give what one with zeros there gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prunable:
    """What of a network can be pruned.

    Attributes:
        whole: The network's dependencies.
        groups: Name of a group to the widths that it may have.
        left: Name of a layer that is left as it is to the reason.
    """

    whole: Dependencies
    groups: Mapping[str, WidthGroup]
    left: Mapping[str, str]

    def kept(self) -> list[nn.Module]:
        """Give the layers that nothing may be taken from."""
        lost = [module for group in self.whole.groups if group.name not in self.groups for module in group.makers]
        by_name = {name: module for module, name in self.whole.names.items()}
        return [*self.whole.outputs, *lost, *(by_name[name] for name in self.left if name in by_name)]

    def sentence(self) -> str:
        """Say what is left as it is, the first few layers with their reasons; empty where nothing is."""
        named = [f"{name} ({why})" for name, why in list(self.left.items())[:_NAMES]]
        more = f" and {len(self.left) - _NAMES} more" if len(self.left) > _NAMES else ""
        return ", ".join(named) + more


def prunable(inspector: Inspector, *, round_to: int) -> Prunable:
    """Find out which groups of a network can be pruned.

    Args:
        inspector: On the CPU, in evaluation mode; left as it is.
        round_to: Fewer channels are a multiple of this.

    Raises:
        RecipeError: The network cannot be traced, or no group can be pruned; the message says why.
    """
    whole = dependencies_of(inspector)
    widths = {group.name: _width_group(group, round_to) for group in whole.groups}
    left = dict(whole.left)
    left |= {
        name: f"{width.channels} channels, none can leave in steps of {width.unit}"
        for name, width in widths.items()
        if len(width.choices()) < 2
    }
    movable = [group for group in whole.groups if group.name not in left]
    trials = _Trials(inspector=inspector, widths=widths)
    usable = trials.usable(movable)
    left |= {group.name: trials.why.get(group.name, "") for group in movable if group not in usable}
    found = Prunable(whole=whole, groups={each.name: widths[each.name] for each in usable}, left=left)
    if not usable:
        msg = (
            f"prune: no layer of this network can be pruned in steps of {round_to} channels: "
            f"{found.sentence() or 'all that it has give its output'}; drop the step, lower round_to, or distil into a "
            "smaller network"
        )
        raise RecipeError(msg)
    return found


def network_shape(inspector: Inspector, *, round_to: int, found: Prunable | None = None) -> NetworkShape:
    """Say which widths a network may have; layers whose outputs cannot be pruned are named in `fixed`.

    Args:
        inspector: On the CPU, in evaluation mode; left as it is.
        round_to: Fewer channels are a multiple of this.
        found: What `prunable` gave for the two, where it was asked already.

    Raises:
        RecipeError: As for `prunable`.
    """
    found = found or prunable(inspector, round_to=round_to)
    groups = [group for group in found.whole.groups if group.name in found.groups]
    layers = tuple(_layers(inspector, found.whole, groups))
    outputs = {found.whole.names[module] for module in found.whole.outputs}
    return NetworkShape(
        groups=tuple(found.groups.values()),
        layers=layers,
        fixed=tuple(layer.name for layer in layers if not layer.output_groups and layer.name not in outputs),
    )


def narrow(inspector: Inspector, widths: Widths, importance: Importance | None = None) -> None:
    """Bring groups to these widths, in place.

    Args:
        inspector: On the CPU.
        widths: Group to channels; a group that is left out keeps all of its own.
        importance: Of the bundles of each group; the least important ones leave. None: the last ones leave.
    """
    whole = dependencies_of(inspector, only=widths)
    chosen = []
    for group in whole.groups:
        bundles = widths.get(group.name, group.channels) * group.bundles // group.channels
        if bundles < group.bundles:
            order = np.arange(group.bundles)[::-1] if importance is None else np.argsort(importance[group.name])
            chosen.append((group, _channels(group, order[: group.bundles - bundles])))
    _prune(inspector, whole.graph, chosen)


@dataclass(slots=True, kw_only=True)
class _Trials:
    """Groups tried out on copies of the network.

    Attributes:
        inspector: Never changed.
        widths: Of all groups.
        why: Name of a group that fails to the reason.
        left: How many trials may still be made.
    """

    inspector: Inspector
    widths: Mapping[str, WidthGroup]
    why: dict[str, str] = field(default_factory=dict)
    left: int = _MOST_TRIALS

    def usable(self, groups: list[ChannelGroup]) -> list[ChannelGroup]:
        """Give those that can be pruned, all of them together: groups of one kind are tried at once, then halved."""
        exact = [group for group in groups if _exact(group)]
        accepted = self._add([], exact)
        return self._add(accepted, [group for group in groups if group not in exact])

    def _add(self, accepted: list[ChannelGroup], groups: list[ChannelGroup]) -> list[ChannelGroup]:
        if not groups or (fault := self._fault([*accepted, *groups])) is None:
            return [*accepted, *groups]
        kinds: dict[str, list[ChannelGroup]] = {}
        for group in groups:
            kinds.setdefault(_kind(group), []).append(group)
        parts = list(kinds.values())
        if len(parts) == 1:
            (only,) = parts
            if len(only) == 1 or self.left <= 0:
                self.why |= {group.name: fault for group in only}
                return accepted
            parts = [only[: len(only) // 2], only[len(only) // 2 :]]
        for part in parts:
            accepted = self._add(accepted, part)
        return accepted

    def _fault(self, groups: list[ChannelGroup]) -> str | None:
        """Say what goes wrong when some channels of these groups leave; None: nothing does."""
        if self.left <= 0:
            return "others of its kind fail"
        self.left -= 1
        try:
            trial = copy.deepcopy(self.inspector)
            return self._compared(trial, {group.name for group in groups}, exact=all(map(_exact, groups)))
        except (*BROKEN, RecursionError) as error:
            return f"without some of its channels: {first_line(error)}"

    def _compared(self, trial: Inspector, names: set[str], *, exact: bool) -> str | None:
        whole = dependencies_of(trial, only=names)
        random = np.random.default_rng(0)
        chosen = []
        for group in whole.groups:
            if group.name in names:
                width = self.widths[group.name]
                leaving = (group.channels - width.fewest) * group.bundles // group.channels
                chosen.append((group, _channels(group, random.permutation(group.bundles)[:leaving])))
        pixels = torch.randn(example_of(trial).shape, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            for group, channels in chosen:
                _set_to_zero(whole.graph, group, channels)
            wanted = trial.network(pixels)
            _prune(trial, whole.graph, chosen)
            found = trial.network(pixels)
            again = copy.deepcopy(self.inspector)
            fit_shapes(again, trial.state_dict())
            again.load_state_dict(trial.state_dict())
            if not same(again.network(pixels), found):
                return "it cannot be read back from its weights"
        if found.shape != wanted.shape:
            return f"the output changes from {list(wanted.shape)} to {list(found.shape)}"
        if exact and not same(found, wanted):
            return "something in the network counts on the number or the order of its channels"
        return None


def same(first: Tensor, second: Tensor) -> bool:
    """Whether two outputs agree to a thousandth of the span of their values."""
    finite = second[second.isfinite()]
    if first.shape != second.shape:
        return False
    span, largest = (float(finite.max() - finite.min()), float(finite.abs().max())) if finite.numel() else (0.0, 0.0)
    return torch.allclose(first, second, rtol=0, atol=1e-3 * max(span, largest / 100), equal_nan=True)


def _kind(group: ChannelGroup) -> str:
    """Name the pattern of a group: groups of one pattern stand or fall together, as a rule."""
    return " ".join(sorted({str(item.dep.target.type) for item in group.members}))


def _exact(group: ChannelGroup) -> bool:
    """Whether a network without some of its channels gives what one with zeros there gives."""
    modules = [item.dep.target.module for item in group.members]
    return not any(isinstance(module, (*_NORMS, nn.Parameter)) for module in modules)


def _channels(group: ChannelGroup, bundles: Iterable[Any]) -> list[int]:
    parts = group.channels // group.bundles
    return sorted(int(bundle + part * group.bundles) for bundle in bundles for part in range(parts))


def _prune(inspector: Inspector, graph: Any, chosen: list[tuple[ChannelGroup, list[int]]]) -> None:
    with bounded(TRACE_SECONDS), traceable(inspector.network):
        for group, channels in chosen:
            graph.get_pruning_group(group.root.dep.target.module, group.root.dep.handler, channels).prune()


def _set_to_zero(graph: Any, group: ChannelGroup, channels: list[int]) -> None:
    """Set to zero, in place, all weights that leave with these channels."""
    for item in graph.get_pruning_group(group.root.dep.target.module, group.root.dep.handler, channels):
        module: Any = item.dep.target.module
        if not isinstance(getattr(module, "weight", None), Tensor):
            continue
        outgoing = graph.is_out_channel_pruning_fn(item.dep.handler)
        turned = getattr(module, "transposed", False)
        if outgoing != turned or module.weight.ndim == 1:
            module.weight[item.idxs] = 0
        else:
            _set_inputs_to_zero(module, item.idxs)
        if outgoing and isinstance(getattr(module, "bias", None), Tensor):
            module.bias[item.idxs] = 0


def _set_inputs_to_zero(module: Any, channels: list[int]) -> None:
    groups = getattr(module, "groups", 1)
    for part in range(groups):  # a grouped convolution's weight counts the inputs of each group from zero
        rows = module.weight.shape[0] // groups
        inside = [each - part * module.weight.shape[1] for each in channels]
        inside = [each for each in inside if 0 <= each < module.weight.shape[1]]
        module.weight[part * rows : (part + 1) * rows, inside] = 0


def _width_group(group: ChannelGroup, round_to: int) -> WidthGroup:
    unit = lcm(round_to, group.channels // group.bundles)
    fewest = -(-max(1, round(_FEWEST * group.channels)) // unit) * unit
    return WidthGroup(name=group.name, channels=group.channels, unit=unit, fewest=min(fewest, group.channels))


def _layers(inspector: Inspector, whole: Dependencies, groups: list[ChannelGroup]) -> Iterator[LayerShape]:
    inputs, outputs = _sides(whole, groups)
    for module, macs in _passed(inspector):
        name, linear = whole.names[module], isinstance(module, nn.Linear)
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
    whole: Dependencies, groups: list[ChannelGroup]
) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    """Say for each layer which groups its inputs and its outputs belong to, and how many a channel stands for."""
    inputs: dict[str, dict[str, int]] = {}
    outputs: dict[str, dict[str, int]] = {}
    for group in groups:
        for item in group.members:
            module = item.dep.target.module
            if not isinstance(module, WEIGHTED):
                continue
            side = outputs if whole.graph.is_out_channel_pruning_fn(item.dep.handler) else inputs
            side.setdefault(whole.names[module], {})[group.name] = max(1, len(item.idxs) // group.channels)
    return inputs, outputs


@torch.no_grad()
def _passed(inspector: Inspector) -> list[tuple[Any, int]]:
    """List the layers in the order in which a frame passes them, with their multiply-accumulates."""
    found: list[tuple[Any, int]] = []

    def watch(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weight = module.weight
        if isinstance(weight, Tensor):
            found.append((module, weight[0].numel() * output.numel()))

    modules = [module for module in inspector.network.modules() if isinstance(module, WEIGHTED)]
    hooks = [module.register_forward_hook(watch) for module in modules]
    try:
        inspector.network(example_of(inspector))
    finally:
        for hook in hooks:
            hook.remove()
    return found
