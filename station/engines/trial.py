"""A new bundle's first frames, compared with the last ones of the bundle before, whose engine waits beside it, warm.

It goes back where the new bundle is late, or where refused and faulty frames or rejected parts are more than chance
explains: Fisher's exact test, one-sided (R. A. Fisher, The Design of Experiments, 1935), looked at after 4, 8, 16, ...
frames and at the end, the chance of a false alarm shared out evenly over these looks (Bonferroni).
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass
from typing import Literal

from ..outcomes import Outcome
from ..settings import SwitchSettings
from .engine import Engine

Verdict = Literal["goes on", "passed", "failed"]
Shape = tuple[int, int, int]
_REMEMBERED = 1_000
_FIRST_LOOK = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The last thousand frames of a bundle.

    Attributes:
        answered: By the model, in time.
        rejected: Of these.
        unanswered: Refused or faulty.
        shapes: Height, width and channels of the frames that were answered.
    """

    answered: int
    rejected: int
    unanswered: int
    shapes: frozenset[Shape]


class Recent:
    """Keeps the last frames of the bundle at work; used under the supervisor's lock."""

    def __init__(self) -> None:
        self._ends: deque[tuple[str, str, Shape | None]] = deque(maxlen=_REMEMBERED)

    def note(self, outcome: Outcome, shape: Shape | None) -> None:
        """Remember how a frame ended."""
        self._ends.append((outcome.standing, outcome.answer, shape))

    def forget(self) -> None:
        """Begin anew: another bundle works."""
        self._ends.clear()

    def history(self) -> History:
        """Count what is remembered."""
        answered = [(answer, shape) for standing, answer, shape in self._ends if standing == "answered"]
        return History(
            answered=len(answered),
            rejected=sum(answer == "reject" for answer, _ in answered),
            unanswered=sum(standing in ("refused", "faulty") for standing, _, _ in self._ends),
            shapes=frozenset(shape for _, shape in answered if shape is not None),
        )


class Trial:
    """One trial; used under the supervisor's lock.

    Attributes:
        old: The engine that goes back to work if the new one fails.
        new: The engine on trial.
    """

    def __init__(self, old: Engine, new: Engine, settings: SwitchSettings, before: History) -> None:
        self.old, self.new = old, new
        self._settings = settings
        self._before = before
        self._until_s = time.monotonic() + settings.trial_s
        self._frames = self._late = self._unanswered = self._answered = self._rejected = 0
        looks = max(1, int(math.log2(max(1, settings.trial_frames / _FIRST_LOOK))) + 2)
        self._alarm = settings.trial_alarm / (2 * looks)
        self._reason = ""

    def note(self, outcome: Outcome) -> Verdict:
        """Count how a frame of the new bundle ended; where the time is over, the next frame ends the trial."""
        if outcome.bundle != self.new.at_work.version:
            return "goes on"
        self._frames += 1
        self._late += outcome.standing == "late"
        self._unanswered += outcome.standing in ("refused", "faulty")
        self._answered += outcome.standing == "answered"
        self._rejected += outcome.standing == "answered" and outcome.answer == "reject"
        over = self._frames >= self._settings.trial_frames or time.monotonic() >= self._until_s
        self._reason = self._failure(over=over)
        if self._reason:
            return "failed"
        return "passed" if over else "goes on"

    def summary(self) -> str:
        """Sum it up in a sentence."""
        if self._reason:
            return self._reason
        ends = f"{self._late:,} of its first {self._frames:,} frames were late, {self._unanswered:,} refused or faulty"
        return f"{ends}; {self._rates()}{self._fewer()}"

    def _failure(self, *, over: bool) -> str:
        """Say why it fails, if it does."""
        settings, before = self._settings, self._before
        if self._late > settings.trial_late:
            return f"{self._late:,} of its first {self._frames:,} frames were late"
        if over and not self._answered:
            return f"its model answered none of its first {self._frames:,} frames"
        if not over and (self._frames < _FIRST_LOOK or self._frames & (self._frames - 1)):
            return ""
        total_before = before.answered + before.unanswered
        many = self._unanswered > settings.trial_refused
        if many and chance_of_more(self._unanswered, self._frames, before.unanswered, total_before) < self._alarm:
            return f"{self._unanswered:,} of its first {self._frames:,} frames were refused or faulty"
        chance = chance_of_more(self._rejected, self._answered, before.rejected, before.answered)
        if before.answered and chance < self._alarm:
            return f"it rejects more parts than chance explains: {self._rates()}"
        return ""

    def _rates(self) -> str:
        before = self._before
        was = f"{before.rejected:,} of {before.answered:,}" if before.answered else "none to compare with"
        return f"it rejected {self._rejected:,} of {self._answered:,} parts, the version before {was}"

    def _fewer(self) -> str:
        """Warn where clearly fewer parts are rejected: that may be better, or escapes; only people know."""
        passed, before = self._answered - self._rejected, self._before
        chance = chance_of_more(passed, self._answered, before.answered - before.rejected, before.answered)
        return " (fewer than chance explains: check what passes)" if before.answered and chance < self._alarm else ""


def chance_of_more(many: int, of: int, many_before: int, of_before: int) -> float:
    """Give the chance of as many or more, if nothing had changed (Fisher's exact test, one-sided).

    Where nothing is known from before, anything above nothing counts as certain: 0.

    >>> chance_of_more(3, 4, 1, 4)
    0.24285714285714285
    >>> chance_of_more(0, 8, 0, 0), chance_of_more(3, 8, 0, 0)
    (1.0, 0.0)
    """
    if not many:
        return 1.0
    if not of_before:
        return 0.0
    hits, total = many + many_before, of + of_before
    ways = sum(math.comb(hits, each) * math.comb(total - hits, of - each) for each in range(many, min(of, hits) + 1))
    return ways / math.comb(total, of)
