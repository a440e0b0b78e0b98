"""Where a network makes its feature maps, whatever it is inside: found by running one empty frame through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..networks.base.inspector import Inspector

LAST = "last"
_STRIDES = (4, 8, 16, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturePlace:
    """Where a feature map comes from.

    Attributes:
        module: Its name in `named_modules` of the inspector's network.
        channels: Of the map.
        rows: Of the map, on the inspector's own frame.
        columns: Likewise.
    """

    module: str
    channels: int
    rows: int
    columns: int


def feature_places(inspector: Inspector) -> dict[str, FeaturePlace]:
    """Find the maps on the network's way down, and the one that the logits are made of.

    Args:
        inspector: On any device; left as it was.

    Returns:
        `stride_4` to `stride_32`: the last map at that stride before the network goes on to a coarser one, or back up
        from the coarsest; `last`: the last map of all with more than one channel. What a network does not have is
        left out.
    """
    made = [place for place in _made_by(inspector) if place.channels > 1]
    found = _on_the_way_down(made, inspector.frame.height, inspector.frame.width)
    wide = [place for place in made if min(place.rows, place.columns) >= 3]
    return {**found, **({LAST: wide[-1]} if wide else {})}


class FeatureTap:
    """Keeps what chosen modules of a network gave in its latest pass.

    Attributes:
        seen: The maps by place, `[N, channels, rows, columns]`.
    """

    def __init__(self, network: nn.Module, places: Mapping[str, FeaturePlace], *, learning: bool) -> None:
        """Begin to listen.

        Args:
            network: Listened to until `close`.
            places: Of `feature_places`.
            learning: Keep passes with gradients only, those of a student; else passes without only, a teacher's. What a
                copy of the student gives while it is scored is so left alone.
        """
        self.seen: dict[str, Tensor] = {}
        modules = dict(network.named_modules())
        self._handles = [
            modules[place.module].register_forward_hook(_recorder(self.seen, name, learning=learning))
            for name, place in places.items()
        ]

    def taken(self, place: str) -> Tensor:
        """Give a map once, so that none of an earlier pass is ever taken for one of this.

        Raises:
            KeyError: There was no pass since it was last taken.
        """
        return self.seen.pop(place)

    def close(self) -> None:
        """Listen no more."""
        for handle in self._handles:
            handle.remove()
        self.seen.clear()


def _recorder(seen: dict[str, Tensor], name: str, *, learning: bool) -> Callable[[nn.Module, Any, Tensor], None]:
    def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        if torch.is_grad_enabled() == learning:
            seen[name] = output

    return keep


@torch.no_grad()
def _made_by(inspector: Inspector) -> list[FeaturePlace]:
    """Give every map that a module makes of an empty frame, in the order in which they are finished."""
    made: list[FeaturePlace] = []

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def noted(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and output.shape[0] == 1:
                _, channels, rows, columns = output.shape
                made.append(FeaturePlace(module=name, channels=channels, rows=rows, columns=columns))

        return noted

    network, frame, trains = inspector.network, inspector.frame, inspector.training
    own = [(name, module) for name, module in network.named_modules() if ".parametrizations" not in f".{name}"]
    handles = [module.register_forward_hook(note(name)) for name, module in own]
    network.eval()
    try:
        network(torch.zeros(1, frame.planes, frame.height, frame.width, device=inspector.scale.device))
    finally:
        for handle in handles:
            handle.remove()
        inspector.train(trains)
    return made


def _on_the_way_down(made: list[FeaturePlace], height: int, width: int) -> dict[str, FeaturePlace]:
    found: dict[str, FeaturePlace] = {}
    deepest = 0
    for place in made:
        stride = height // place.rows
        exact = (place.rows * stride, place.columns * stride) == (height, width)
        if not exact or stride not in _STRIDES or min(place.rows, place.columns) < 2:
            continue  # such as the single cell of a squeeze-and-excitation block
        if stride < deepest:
            break
        deepest = stride
        found[f"stride_{stride}"] = place
    return found
