"""What a chart of a soak needs: a small time series, whatever the length of the soak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .schema import SoakSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakSeries:
    """A soak over time, at most some two thousand points; arrays of shape `[points]`, NaN where a device shows nothing.

    Attributes:
        at_s: When each begins, in seconds of the belt since the soak began, float64; interruptions take no time.
        point_s: How long each is.
        p50_ms: Median response, float64.
        p99_ms: 99th percentile, float64.
        max_ms: Slowest, float64.
        misses: Late frames, int64.
        frames: All frames, int64.
        steady: Whether the point is judged, bool.
        temperature_c: Hottest zone, float64.
        clock_mhz: Mean over CPUs, float64.
        throttle_events: So far, float64.
        interruptions_s: Where sessions but the first begin, on the axis of `at_s`.
        deadline_ms: Where a frame is late.
    """

    at_s: NDArray[np.float64]
    point_s: float
    p50_ms: NDArray[np.float64]
    p99_ms: NDArray[np.float64]
    max_ms: NDArray[np.float64]
    misses: NDArray[np.int64]
    frames: NDArray[np.int64]
    steady: NDArray[np.bool_]
    temperature_c: NDArray[np.float64]
    clock_mhz: NDArray[np.float64]
    throttle_events: NDArray[np.float64]
    interruptions_s: tuple[float, ...]
    deadline_ms: float


def soak_series(summary: SoakSummary) -> SoakSeries:
    """Give a summary's points as arrays."""
    points = summary.points
    begins = {each.session: each.at_s for each in reversed(points)}

    def floats(name: str) -> NDArray[np.float64]:
        return np.array([getattr(each, name) for each in points], dtype=np.float64)

    return SoakSeries(
        at_s=floats("at_s"),
        point_s=summary.point_s,
        p50_ms=floats("p50_ms"),
        p99_ms=floats("p99_ms"),
        max_ms=floats("max_ms"),
        misses=np.array([each.misses for each in points], dtype=np.int64),
        frames=np.array([each.frames for each in points], dtype=np.int64),
        steady=np.array([each.steady for each in points], dtype=np.bool_),
        temperature_c=floats("temperature_c"),
        clock_mhz=floats("clock_mhz"),
        throttle_events=floats("throttle_events"),
        interruptions_s=tuple(sorted(begins.values())[1:]),
        deadline_ms=summary.deadline_ms,
    )
