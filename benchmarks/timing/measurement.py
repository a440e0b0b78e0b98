"""A latency measurement: every sample kept, nothing summarised away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...inspection.line.arrivals import Arrivals

Mode = Literal["belt", "back_to_back"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One artifact's frames on one device, in the order they came; times in ns on one monotonic clock.

    All arrays are int64 of shape `[frames]`. In mode `belt` frames are scheduled as `arrivals` says; in mode
    `back_to_back` each is scheduled when the one before was decided. The cold frames stand first: `warmup` of them.

    Attributes:
        mode: How frames were offered.
        arrivals: The rule of the schedule; None in mode `back_to_back`.
        warmup: How many frames at the beginning are cold: kept and shown, but not judged.
        scheduled_ns: When the frame was due.
        started_ns: When work on it began (later than due where an earlier frame was late or the pacer overslept).
        engine_start_ns: Pre-processing ends.
        engine_end_ns: Post-processing begins.
        decided_ns: The decision is there.
        fingerprint: What the device was: JSON-able facts, see `targets.fingerprint`.
        artifact_digest: Which artifact ran.
    """

    mode: Mode
    arrivals: Arrivals | None
    warmup: int
    scheduled_ns: NDArray[np.int64]
    started_ns: NDArray[np.int64]
    engine_start_ns: NDArray[np.int64]
    engine_end_ns: NDArray[np.int64]
    decided_ns: NDArray[np.int64]
    fingerprint: dict[str, Any]
    artifact_digest: str

    @property
    def period_ns(self) -> int:
        """From one trigger of the cameras to the next on a plain belt; 0 in mode `back_to_back`."""
        return self.arrivals.period_ns if self.arrivals else 0

    @property
    def response_ns(self) -> NDArray[np.int64]:
        """Decision minus scheduled start of the judged frames: what the belt sees. Shape `[frames - warmup]`."""
        return (self.decided_ns - self.scheduled_ns)[self.warmup :]

    @property
    def engine_ns(self) -> NDArray[np.int64]:
        """Time in the engine of the judged frames. Shape `[frames - warmup]`."""
        return (self.engine_end_ns - self.engine_start_ns)[self.warmup :]
