"""A network's dependency graph as torch-pruning reads it: which channels can only leave together.

What a user brings may be anything, so nothing here is trusted to end: time and memory are bounded, and a layer whose
group cannot be built is named, with the reason, and left as it is.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch_pruning
from numpy.typing import NDArray
from torch import Tensor, nn
from torch_pruning.dependency import index_mapping

from ....inspection.base.errors import RecipeError
from ...networks.base.inspector import Inspector
from ...teacher.adapter import AdaptedNetwork

TRACE_SECONDS = 30.0
"""Tracing a network and building all its groups may take so long, in this thread's own CPU time."""

_GROUP_SECONDS = 2.0

_TRACE_BYTES = 2 << 30
_CHECK_EVERY = 2048
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
WEIGHTED = (*CONVOLUTIONS, nn.Linear)
BROKEN = (RuntimeError, ValueError, IndexError, TypeError, AttributeError, AssertionError, KeyError, ZeroDivisionError)
"""What torch and torch-pruning raise where they do not take a network or a width."""


class TooMuchError(RecipeError):
    """Building groups took more time or memory than allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelGroup:
    """One group of the dependency graph, all its channels in it.

    Attributes:
        name: Of the layer at its root, inside the network.
        root: That layer's dependency and indices, as torch-pruning holds them.
        members: All of them.
        channels: Of the root.
        bundles: Channels leave in bundles of `channels / bundles`, one from each part of a grouped layer or norm.
        makers: The convolutions and linear layers whose outputs they are.
    """

    name: str
    root: Any
    members: Any
    channels: int
    bundles: int
    makers: tuple[nn.Module, ...]

    def bundled(self, importance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring importance of channels `[channels]` to that of bundles `[bundles]`: their mean."""
        found: NDArray[np.float64] = importance.reshape(-1, self.bundles).mean(axis=0)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """What was read off a network.

    Attributes:
        graph: torch-pruning's dependency graph.
        names: Of the modules, inside `Inspector.network`.
        outputs: The layers that give the network's output; their channels stay.
        groups: All groups without them, in the order in which a frame passes.
        left: Name of a layer whose group cannot be built to the reason.
    """

    graph: Any
    names: dict[nn.Module, str]
    outputs: tuple[nn.Module, ...]
    groups: tuple[ChannelGroup, ...]
    left: dict[str, str]


def example_of(inspector: Inspector) -> Tensor:
    """Give an empty input, float32 `[1, channels, height, width]`."""
    frame = inspector.frame
    return torch.zeros(1, frame.planes, frame.height, frame.width)


def dependencies_of(inspector: Inspector, *, only: Collection[str] | None = None) -> Dependencies:
    """Trace a network and build its groups.

    The user's own module is traced, not the adapter around it, with gradients on for frozen parameters too.

    Args:
        inspector: On the CPU; left as it is, in evaluation mode.
        only: Names of the groups to build, where it is known which can be built; None: all.

    Raises:
        RecipeError: It cannot be traced, or not within the time and memory allowed; the message names its class.
    """
    module = pruned_module(inspector)
    names = {each: name for name, each in inspector.network.named_modules()}
    until_s = time.thread_time() + TRACE_SECONDS
    try:
        with bounded(TRACE_SECONDS), traceable(module):
            graph = torch_pruning.DependencyGraph().build_dependency(module, example_of(inspector), verbose=False)
            outputs = tuple(_output_layers(graph))
            left = _unreached(graph, module, names)
            found = _Building(graph=graph, names=names, outputs=outputs, left=left, until_s=until_s)
            groups = tuple(found.groups(only))
    except TooMuchError as error:
        msg = (
            f"prune: {type(module).__name__} cannot be taken apart into groups of channels ({error}); drop the step, "
            "or distil into a smaller network"
        )
        raise RecipeError(msg) from error
    except (*BROKEN, RecursionError) as error:
        msg = (
            f"prune: {type(module).__name__} cannot be traced ({first_line(error)}); drop the step, or distil into a "
            "network that can"
        )
        raise RecipeError(msg) from error
    return Dependencies(graph=graph, names=names, outputs=outputs, groups=groups, left=found.left)


def pruned_module(inspector: Inspector) -> nn.Module:
    """Give the module that is pruned: the network, or the user's own inside its adapter."""
    network = inspector.network
    return network.inner if isinstance(network, AdaptedNetwork) else network


def first_line(error: BaseException) -> str:
    """Give an error in one line."""
    text = str(error).strip()
    return text.splitlines()[0][:120] if text else type(error).__name__


@contextmanager
def traceable(module: nn.Module) -> Iterator[None]:
    """Evaluation mode, gradients on, and no warnings of the tracer; parameters are frozen again afterwards."""
    frozen = [name for name, each in module.named_parameters() if not each.requires_grad]
    module.eval()
    with torch.enable_grad(), warnings.catch_warnings(), _tolerant_reshapes():
        warnings.simplefilter("ignore")
        for each in module.parameters():
            each.requires_grad_(each.is_floating_point())
        try:
            yield
        finally:
            found = dict(module.named_parameters())  # pruning makes new ones of the same names
            for name in frozen:
                found[name].requires_grad_(False)


@contextmanager
def _tolerant_reshapes() -> Iterator[None]:
    """Pass over a reshape that torch-pruning cannot work out, instead of giving up the whole network.

    Groups that run through it come out wrong then, which a trial shows.
    """
    strict = index_mapping.update_reshape_index_mapping

    def tolerant(graph: Any, node: Any) -> None:
        try:
            strict(graph, node)
        except BROKEN:
            node.enable_index_mapping = False

    index_mapping.update_reshape_index_mapping = tolerant
    try:
        yield
    finally:
        index_mapping.update_reshape_index_mapping = strict


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Stop what runs inside when it takes too much of this thread's CPU time, or too much memory.

    torch-pruning walks graphs in plain Python, so every call that it makes is a chance to look at clock and memory.

    Raises:
        TooMuchError: It does; inside of what runs.
    """
    until_s, most_bytes = time.thread_time() + seconds, _resident_bytes() + _TRACE_BYTES
    before = sys.getprofile()
    calls = 0

    def check(*_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls % _CHECK_EVERY:
            return
        if time.thread_time() > until_s:
            msg = f"it takes more than {seconds:.3g} s"
            raise TooMuchError(msg)
        if _resident_bytes() > most_bytes:
            msg = f"it takes more than {_TRACE_BYTES >> 30} GiB"
            raise TooMuchError(msg)

    sys.setprofile(check)
    try:
        yield
    finally:
        sys.setprofile(before)


def _resident_bytes() -> int:
    """Give this process's memory; 0 where the system does not say (no `/proc`)."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Building:
    """Groups as they are built, each once; what cannot be built goes to `left`."""

    graph: Any
    names: dict[nn.Module, str]
    outputs: tuple[nn.Module, ...]
    left: dict[str, str]
    until_s: float

    def groups(self, only: Collection[str] | None) -> Iterator[ChannelGroup]:
        """Give those without output layers, in the order of the trace."""
        seen: set[nn.Module] = set(self.outputs)
        for module in list(self.graph.module2node):
            if not isinstance(module, WEIGHTED) or module in seen or module not in self.names:
                continue
            if only is not None and self.names[module] not in only:
                continue
            members = self._members(module)
            makers = () if members is None else tuple(_makers(self.graph, members))
            seen.update(makers)
            if members is not None and set(self.outputs).isdisjoint(makers):
                group = _group(self.names[module], members, makers)
                if group.channels % (group.channels // group.bundles):
                    self.left[group.name] = f"its {group.channels} channels do not divide into equal parts"
                else:
                    yield group

    def _members(self, module: nn.Module) -> Any:
        pruner = self.graph.get_pruner_of_module(module)
        channels = list(range(pruner.get_out_channels(module)))
        left_s = self.until_s - time.thread_time()
        if left_s < 0:
            msg = f"it takes more than {TRACE_SECONDS:.3g} s"
            raise TooMuchError(msg)
        try:
            with bounded(min(_GROUP_SECONDS, left_s)):
                return self.graph.get_pruning_group(module, pruner.prune_out_channels, channels)
        except (*BROKEN, RecursionError, TooMuchError) as error:
            self.left[self.names[module]] = f"its channels cannot be followed: {first_line(error)}"
            return None


def _group(name: str, members: Any, makers: tuple[nn.Module, ...]) -> ChannelGroup:
    channels = len(members[0].idxs)
    parts = max(parts_of(item.dep.target.module) for item in members)
    return ChannelGroup(
        name=name, root=members[0], members=members, channels=channels, bundles=channels // parts, makers=makers
    )


def _unreached(graph: Any, module: nn.Module, names: dict[nn.Module, str]) -> dict[str, str]:
    """Name the layers that no gradient comes through; parts of a layer that torch-pruning takes whole are reached."""
    reached = {part for each in graph.module2node if isinstance(each, nn.Module) for part in each.modules()}
    why = "the trace does not reach it: forward uses no_grad or detach there, or does not use it"
    return {names[each]: why for each in module.modules() if isinstance(each, WEIGHTED) and each not in reached}


def _makers(graph: Any, members: Any) -> Iterator[nn.Module]:
    for item in members:
        module = item.dep.target.module
        if isinstance(module, WEIGHTED) and graph.is_out_channel_pruning_fn(item.dep.handler):
            yield module


def parts_of(module: Any) -> int:
    """Of how many equal parts a layer's channels are: as many leave from each."""
    if isinstance(module, nn.MultiheadAttention):
        return int(module.num_heads)
    if isinstance(module, nn.GroupNorm):
        return module.num_groups
    if isinstance(module, CONVOLUTIONS) and 1 < module.groups < module.out_channels:
        return module.groups
    return 1


def _output_layers(graph: Any) -> Iterator[nn.Module]:
    """Walk back from what nobody reads to the layers whose channels come out there."""
    nodes = [node for node in graph.module2node.values() if not node.outputs]
    seen = set(nodes)
    while nodes:
        node = nodes.pop()
        if isinstance(node.module, WEIGHTED) and not _depthwise(node.module):
            yield node.module
            continue
        if isinstance(node.module, nn.MultiheadAttention):
            yield node.module
            continue
        fresh = [each for each in node.inputs if each not in seen]
        seen.update(fresh)
        nodes.extend(fresh)


def _depthwise(module: nn.Module) -> bool:
    return isinstance(module, CONVOLUTIONS) and module.groups == module.in_channels > 1
