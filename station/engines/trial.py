"""A new bundle's first frames: is it in time? Meanwhile the old one's engine waits beside it, warm."""

from __future__ import annotations

from typing import Literal

from ..outcomes import Outcome
from ..settings import SwitchSettings
from .engine import Engine

Verdict = Literal["goes on", "passed", "failed"]


class Trial:
    """One trial; noted by one thread.

    Attributes:
        old: The engine that goes back to work if the new one fails.
        new: The engine on trial.
    """

    def __init__(self, old: Engine, new: Engine, settings: SwitchSettings) -> None:
        self.old, self.new = old, new
        self._settings = settings
        self._frames = self._late = 0

    def note(self, outcome: Outcome) -> Verdict:
        """Count an outcome of the new bundle; refused and faulty frames say nothing of it."""
        if outcome.bundle != self.new.at_work.version or outcome.standing not in ("answered", "late"):
            return "goes on"
        self._frames += 1
        self._late += outcome.standing == "late"
        if self._late > self._settings.trial_late:
            return "failed"
        return "passed" if self._frames >= self._settings.trial_frames else "goes on"

    def summary(self) -> str:
        """Sum it up in a sentence."""
        return f"{self._late:,} of its first {self._frames:,} frames were late"
