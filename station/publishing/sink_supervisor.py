"""A place for results that is opened when the first outcome comes, and opened anew after each failure."""

from __future__ import annotations

from ..outcomes import Seen, Sink, result_kinds
from ..settings import ResultChoice


class SinkSupervisor:
    """Around one sink; used by the thread of its outlet, closed by any."""

    def __init__(self, choice: ResultChoice) -> None:
        self._choice = choice
        self._sink: Sink | None = None

    def take(self, seen: Seen) -> None:
        """Hand an outcome over.

        Raises:
            Exception: Whatever the sink raised; it is closed, and the next outcome opens another one.
        """
        sink = self._sink
        if sink is None:
            self._sink = sink = result_kinds()[self._choice.kind].open(self._choice.settings)
        try:
            sink.send(seen.outcome)
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the sink."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()
