"""How long a network takes in its real engine: what pruning to a time asks of the floors above this one."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from .latency_table import LatencyTable
from .network_shape import NetworkShape


class EngineTimer(Protocol):
    """Times networks as they will run: on the target, in the recipe's backend and precision, in a fresh process."""

    def table(self, checkpoint: Path, shape: NetworkShape) -> LatencyTable:
        """Say how a checkpoint's time depends on its widths; measured once for each device and set of versions."""
        ...

    def engine_ms(self, checkpoint: Path) -> float:
        """Build a checkpoint as its recipe goes on, and measure the engine's milliseconds for a frame."""
        ...
