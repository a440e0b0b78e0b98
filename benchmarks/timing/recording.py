"""What a bounded run keeps of its frames while it goes on: their times, and whether it may end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..proof.interim_looks import InterimLook
from ..proof.miss_rate import decide
from .trace import TIMES

Rows = NDArray[np.int64]
"""Times of frames, int64 `[frames, 5]` in the order of `trace.TIMES`."""

_TOUCHED_ROWS = 1_000_000


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Rows noted so far and the counts that a look needs; the one thing in a measuring process that changes.

    Attributes:
        rows: Room for every frame of the run.
        end_ns: The run ends with the first frame decided later.
        deadline_ns: Response times above it are misses.
        looks: When the run may end early; empty: only at its end.
        count: Frames noted.
        misses: Late frames among them.
        bursts: Series of late frames among them; one ends when a whole trigger is in time.
        cameras: Frames that fall due together, >= 1.
    """

    rows: Rows
    end_ns: int
    deadline_ns: int = 0
    looks: Sequence[InterimLook] = ()
    count: int = 0
    misses: int = 0
    bursts: int = 0
    cameras: int = 1
    _in_time: int = 1 << 62
    _looks_by_frames: dict[int, InterimLook] = field(init=False)

    def __post_init__(self) -> None:
        """Index the looks."""
        self._looks_by_frames = {look.frames: look for look in self.looks}

    def note(
        self, due_ns: int, started_ns: int, engine_start_ns: int, engine_end_ns: int, decided_ns: int
    ) -> str | None:
        """Keep a frame's times; see `loop.Note`."""
        self.rows[self.count] = due_ns, started_ns, engine_start_ns, engine_end_ns, decided_ns
        self.count += 1
        late = decided_ns - due_ns > self.deadline_ns
        self.misses += late
        self.bursts += late and self._in_time >= self.cameras
        self._in_time = 0 if late else self._in_time + 1
        if look := self._looks_by_frames.get(self.count):
            outcome = decide(look, misses=self.misses, bursts=self.bursts)
            if outcome != "inconclusive":
                return outcome
        return "time" if decided_ns > self.end_ns else None

    def progress(self) -> dict[str, Any]:
        """Say how far the run is, JSON-able."""
        due_ns, *_, decided_ns = self.rows[self.count - 1].tolist()
        return {
            "frames": self.count,
            "of": len(self.rows),
            "misses": self.misses,
            "response_ms": (decided_ns - due_ns) / 1e6,
        }


def room_for(frames: int) -> Rows:
    """Make room for rows; the pages of the first million are touched, so that none faults while frames come."""
    rows: Rows = np.empty((frames, len(TIMES)), dtype=np.int64)
    rows[:_TOUCHED_ROWS] = 0
    return rows
