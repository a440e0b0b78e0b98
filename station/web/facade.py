"""What the web needs of a station, and nothing else of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from ...inspection.data.frame import FrameSpec
from ..counters import Tally
from ..frames import FaultyFrame, OfferedFrame
from ..outcomes import Outcome
from ..watching.drift import DriftWatch
from ..watching.reject_ring import RejectRing
from .last_frames import LastFrames


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The model at work.

    Attributes:
        name: Of the bundle: how clients of the inference protocol call the model.
        version: Of the bundle.
        backend: The runtime behind it.
        frame: What it takes.
        threshold: `score >= threshold` rejects the part.
        deadline_ms: From frame to decision.
        period_ms: Of the belt that it was measured for.
    """

    name: str
    version: str
    backend: str
    frame: FrameSpec
    threshold: float
    deadline_ms: float
    period_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StationFacade:
    """A station as its web server sees it; everything here may be called from any thread.

    Attributes:
        offer: Hands a frame to the line; the future always gets its outcome.
        snapshot: All counts of this moment.
        served: The model at work.
        ready: Whether frames are answered by a model now.
        last: Frames for the live page.
        drift: None: nobody looks.
        ring: None: none are kept.
        largest_frame_bytes: Larger ones are refused.
    """

    offer: Callable[[OfferedFrame | FaultyFrame], Future[Outcome]]
    snapshot: Callable[[], Tally]
    served: Callable[[], Served]
    ready: Callable[[], bool]
    last: LastFrames
    drift: DriftWatch | None
    ring: RejectRing | None
    largest_frame_bytes: int
