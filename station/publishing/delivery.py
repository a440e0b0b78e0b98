"""Handing outcomes to a partner that may be away: connect when needed, try again with longer and longer pauses.

Everything here happens in the thread that the station lends to one outlet. While a partner is away that thread waits
with one outcome in hand; further ones wait in the station's own bounded queue, and what that cannot hold is counted as
dropped there. So there is one buffer and one place where losses are counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from typing import Protocol

from ...inspection.base.errors import DeliveryError
from ..outcomes import Outcome

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0


class Link(Protocol):
    """An open connection to a partner."""

    def deliver(self, outcome: Outcome) -> None:
        """Hand one outcome over, and return when the partner has it.

        Raises:
            Exception: The partner did not take it; the link is closed and another one opened.
        """
        ...

    def close(self) -> None:
        """Free what it holds, also after a failure."""
        ...


class Delivery:
    """A sink that keeps to its partner; see `outcomes.Sink`."""

    def __init__(self, partner: str, connect: Callable[[], Link], *, keep_s: float) -> None:
        """Connect to nothing yet.

        Args:
            partner: What messages call it.
            connect: Opens a link; raises where the partner is away.
            keep_s: An outcome older than this helps nobody any more.
        """
        self._partner, self._connect, self._keep_s = partner, connect, keep_s
        self._link: Link | None = None
        self._closed = Event()

    def send(self, outcome: Outcome) -> None:
        """Hand an outcome over, as often as it takes.

        Raises:
            DeliveryError: It became too old, or the sink was closed meanwhile.
        """
        pause_s, last = FIRST_PAUSE_S, "nothing was tried"
        while (left_s := self._keep_s - (time.monotonic_ns() - outcome.decided_ns) / 1e9) > 0:
            try:
                self._deliver(outcome)
            except Exception as error:  # noqa: BLE001 - whatever a client library throws, the line goes on
                last = f"{type(error).__name__}: {error}"
                self._drop_link()
            else:
                return
            if self._closed.wait(min(pause_s, left_s)):
                break
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        msg = f"{self._partner}: outcome {outcome.number} was not taken within {self._keep_s:g} s ({last})"
        raise DeliveryError(msg)

    def close(self) -> None:
        """Let go of the partner; a `send` under way gives up."""
        self._closed.set()
        self._drop_link()

    def _deliver(self, outcome: Outcome) -> None:
        link = self._link
        if link is None:
            self._link = link = self._connect()
        link.deliver(outcome)

    def _drop_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            with suppress(Exception):  # it failed before, or is not needed any more; that is reported where it failed
                link.close()
