"""Which widths a network may have: groups of channels that leave together, and the layers that grow thin with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Widths = Mapping[str, int]
"""Name of a group to the channels that it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WidthGroup:
    """Channels that can only leave together: those of one layer, and of all that are added to or made from them.

    Attributes:
        name: Of the first layer that makes them.
        channels: As many as it has, >= 1.
        unit: Fewer channels are a multiple of this.
        fewest: It keeps at least so many.
    """

    name: str
    channels: int
    unit: int
    fewest: int

    def choices(self) -> tuple[int, ...]:
        """Give the widths that it may have, narrowest first; always also all its channels.

        >>> WidthGroup(name="stem", channels=20, unit=8, fewest=8).choices()
        (8, 16, 20)
        """
        fewer = range(self.fewest, self.channels, self.unit)
        return (*fewer, self.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerShape:
    """A convolution or linear layer.

    Attributes:
        name: Inside the network, such as `stages.0.0.0`.
        inputs: Channels in.
        outputs: Channels out.
        macs: Multiply-accumulates of one frame.
        depthwise: Each output is made from one input; both leave together.
        input_groups: Pairs of a group and how many of the inputs each of its channels stands for.
        output_groups: The same for the outputs.
    """

    name: str
    inputs: int
    outputs: int
    macs: int
    depthwise: bool
    input_groups: tuple[tuple[str, int], ...] = ()
    output_groups: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkShape:
    """A network seen as widths.

    Attributes:
        groups: What can be made narrower, in the order in which frames pass.
        layers: All convolutions and linear layers, in that order.
        fixed: Names of the layers whose outputs cannot be pruned, the last one (the logits) passed over.
    """

    groups: tuple[WidthGroup, ...]
    layers: tuple[LayerShape, ...]
    fixed: tuple[str, ...] = ()

    @property
    def full(self) -> dict[str, int]:
        """Every group as wide as it is."""
        return {group.name: group.channels for group in self.groups}

    @property
    def least(self) -> dict[str, int]:
        """Every group as narrow as it may become."""
        return {group.name: group.fewest for group in self.groups}

    def counts(self, widths: Widths) -> dict[str, tuple[int, int]]:
        """Give each layer's channels in and out when the groups have these widths; one left out keeps its own."""
        gone = {group.name: group.channels - widths.get(group.name, group.channels) for group in self.groups}
        return {layer.name: _left(layer, gone) for layer in self.layers}


def _left(layer: LayerShape, gone: Mapping[str, int]) -> tuple[int, int]:
    outputs = layer.outputs - sum(times * gone[group] for group, times in layer.output_groups)
    if layer.depthwise:
        return outputs, outputs
    return layer.inputs - sum(times * gone[group] for group, times in layer.input_groups), outputs
