"""Gives each outcome its number and hands it to every outlet, all in the order of the numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from ..counters import Counters
from ..frames import OfferedFrame
from ..in_flight import Finished, origin_of, outcome_of
from ..numbers import OutcomeNumbers
from ..outcomes import Answer, Outcome, Seen
from .outlets import Outlet

_JOIN_S = 5.0


class Publisher:
    """The outlets of an inspector; safe to use from any thread."""

    def __init__(self, numbers: OutcomeNumbers, counters: Counters, *, safe: Answer) -> None:
        """Publish to nobody yet.

        Args:
            numbers: Of the station, for all its inspectors.
            counters: What became of every frame.
            safe: What is answered where the model does not.
        """
        self._numbers, self._counters, self._safe = numbers, counters, safe
        self._lock = Lock()
        self._outlets: tuple[Outlet, ...] = ()

    def subscribe(self, name: str, take: Callable[[Seen], None], *, frames: int, with_pixels: bool) -> None:
        """Publish every outcome from now on to one more receiver, as `Service.subscribe` says."""
        outlet = Outlet(name, take, self._counters, frames=frames, with_pixels=with_pixels)
        outlet.start()
        self._outlets = (*self._outlets, outlet)

    def publish(self, ended: Finished) -> Outcome:
        """Number what became of a frame, count it, and hand it to every outlet; each gets them in ascending order."""
        with self._lock:
            outcome = outcome_of(ended, number=self._numbers.next(), safe=self._safe)
            self._counters.note_outcome(outcome)
            if self._outlets:
                image = ended.frame.inspected if isinstance(ended.frame, OfferedFrame) else None
                image = None if ended.standing == "faulty" else image  # of a faulty frame nobody knows what it is
                seen = Seen(
                    outcome=outcome,
                    image=image,
                    heatmap=ended.heatmap,
                    origin=origin_of(ended),
                    bayer=ended.at_work.model.frame.bayer,
                )
                for outlet in self._outlets:
                    outlet.push(seen)
        return outcome

    def end(self) -> None:
        """Let every outlet take what waits; what one has not taken within five seconds counts as dropped."""
        for outlet in self._outlets:
            outlet.end()
        until_s = time.monotonic() + _JOIN_S
        for outlet in self._outlets:
            outlet.join(until_s - time.monotonic())
