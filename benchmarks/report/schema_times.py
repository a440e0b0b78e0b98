"""The parts of report.json that hold times: of the run at line rate, back to back, and by turns with other rows."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from .schema_parts import Count, Finite, NonNegative, OpenUnit, Part, Positive, Unit


class Steadiness(Part):
    """How the run hangs together: trend from first to last frame, and how long bursts of slow frames are."""

    autocorrelation: Finite = 0.0
    drift_p_value: Unit = 1.0
    drift_ms: Finite = 0.0
    cluster_frames: NonNegative = 1.0
    late_after_drift: Count = 0
    slowest_ms: NonNegative = 0.0
    correlated_frames: NonNegative = 1.0
    correlated_stall_ms: NonNegative = 0
    bursts: dict[str, NonNegative] = {}


class ColdFrames(Part):
    """The first frames, before those that were judged, in ms."""

    frames: Count
    first: NonNegative | None = None
    max: NonNegative | None = None


Interval = Annotated[list[NonNegative | None], Field(min_length=2, max_length=2)]


class Latency(Part):
    """Milliseconds from the moment a frame was due to its decision (`scope` says which span was timed).

    `miss_events`: bursts of late frames as the proof counts them; up to `burst_frames` late frames in a row are one.
    `effective_frames`: frames over that, what the bound rests on. Intervals: 95 %, an end is None where the run is too
    short for it. `pre`, `engine`, `post`: typical times of a decision's parts. `pacer_p99_us`: how late frames were
    offered.
    """

    frames: Annotated[int, Field(ge=1)]
    p50: NonNegative
    p99: NonNegative
    p999: NonNegative | None = None
    misses: Count
    miss_upper: Unit
    miss_events: Count | None = None
    burst_frames: Annotated[int, Field(ge=1)] = 1
    effective_frames: Count | None = None
    scope: str = "frame_to_decision"
    mode: str = "belt"
    max: NonNegative | None = None
    p50_interval: Interval | None = None
    p99_interval: Interval | None = None
    cold: ColdFrames | None = None
    pacer_p99_us: Finite | None = None
    pre: NonNegative | None = None
    engine: NonNegative | None = None
    post: NonNegative | None = None
    steadiness: Steadiness | None = None

    @property
    def slowest_known(self) -> float:
        """The furthest percentile that there is, in ms."""
        return self.p99 if self.p999 is None else self.p999

    @property
    def slowest_one_in(self) -> int:
        """One in how many frames is slower than that."""
        return 100 if self.p999 is None else 1000

    @model_validator(mode="after")
    def _counts_fit(self) -> Latency:
        if self.misses > self.frames:
            msg = f"misses must be at most frames ({self.frames}), got {self.misses}"
            raise ValueError(msg)
        return self


class Typical(Part):
    """Times in ms: inside the engine alone (`engine_ms`), or of whole decisions (`back_to_back_ms`)."""

    p50: NonNegative
    p99: NonNegative | None = None
    frames: Count | None = None


class Interleaved(Typical):
    """A row's times in the rounds that it took by turns with others; `by_round` in ms."""

    rounds: Count | None = None
    by_round: dict[str, list[NonNegative]] = {}


class TimesFaster(Part):
    """Another row's time over this one's, with its two-sided interval; above 1: this one is faster."""

    ratio: Positive
    lower: Positive
    upper: Positive
    confidence: OpenUnit
    statistic: str | None = None
    method: str | None = None
    by_round: list[Positive] = []
    differs: bool | None = None


class Speedup(Part):
    """A row against another one that were interleaved with it, so that drift of the machine cancels."""

    against: str
    p50: TimesFaster
    p99: TimesFaster
