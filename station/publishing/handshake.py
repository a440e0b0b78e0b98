"""Result valid, acknowledge: how an outcome is handed to a PLC so that it is read once, however often the link breaks.

The station shows an outcome and raises `valid`; the PLC reads it and raises `acknowledge`; the station lowers `valid`;
the PLC lowers `acknowledge`. What is shown does not change while `valid` is high. The number of the outcome tells a
partner that was away whether the outcome that it finds is the one it has had already.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ...inspection.base.errors import DeliveryError
from ..outcomes import Outcome

POLL_S = 0.002


class PlcPort(Protocol):
    """Open places of a PLC's memory; each call raises where the PLC does not answer."""

    def show(self, outcome: Outcome) -> None:
        """Write everything of an outcome but `valid`."""
        ...

    def shows(self, outcome: Outcome) -> bool:
        """Whether the number that stands in the PLC is that of an outcome."""
        ...

    def valid(self) -> bool:
        """Read `valid`."""
        ...

    def set_valid(self, *, valid: bool) -> None:
        """Write `valid`."""
        ...

    def acknowledged(self) -> bool:
        """Read `acknowledge`."""
        ...


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far the handshake came; kept when the link breaks.

    Attributes:
        shown: Number of the outcome that was written whole.
        acknowledged: Number of the outcome that the PLC acknowledged last.
    """

    shown: int = 0
    acknowledged: int = 0


def hand_over(port: PlcPort, outcome: Outcome, progress: Progress, *, within_s: float) -> None:
    """Show an outcome until the PLC has acknowledged it; called again after the link broke, it goes on from there.

    Args:
        port: The PLC.
        outcome: What it is to read.
        progress: Of this PLC; changed.
        within_s: So long each answer of the PLC may take.

    Raises:
        DeliveryError: The PLC did not answer the handshake in time.
    """
    number = outcome.number
    if progress.acknowledged != number:
        if progress.shown != number or not port.shows(outcome):
            port.set_valid(valid=False)
            _await(lambda: not port.acknowledged(), within_s, f"lower `acknowledge` before outcome {number}")
            port.show(outcome)
            progress.shown = number
        if not port.valid():
            port.set_valid(valid=True)
        _await(port.acknowledged, within_s, f"acknowledge outcome {number}")
        progress.acknowledged = number
    port.set_valid(valid=False)


def _await(true: Callable[[], bool], within_s: float, what: str) -> None:
    until_s = time.monotonic() + within_s
    while not true():
        if time.monotonic() > until_s:
            msg = f"the PLC did not {what} within {within_s:g} s"
            raise DeliveryError(msg)
        time.sleep(POLL_S)
