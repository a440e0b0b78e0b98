"""Was the device slowed down, and by what? Counters say it outright; clock and temperature only beside the times."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .histogram import quantile_ns
from .points import Point

_CLOCK_FELL = 0.05
_SLOWER_WHEN_WARM = 0.05
_CORRELATION = 0.5
_P_VALUE = 0.001
_FEWEST_POINTS = 20

_TAKERS = {
    "quota_stopped_ms": "The container used up its share of the CPUs and was stopped",
    "steal_ms": "The hypervisor gave these CPUs to others (summed over CPUs)",
}
_WORTH_NAMING = 0.001
"""Share of the time from which on it is named that CPUs were taken away; a hypervisor always takes a little."""


def throttling_of(points: Sequence[Point], *, measured_s: float) -> tuple[str, ...]:
    """Name everything that slowed the device during a soak, one sentence each; empty where nothing shows.

    Args:
        points: All points of the soak, in order.
        measured_s: How long the belt ran, > 0.
    """
    found: list[str] = []
    if events := _grown(points, "throttle_events"):
        found.append(f"Heat: the processor reports that it slowed itself down {events:,.0f} times.")
    for name, who in _TAKERS.items():
        if (taken_s := _grown(points, name) / 1000) >= _WORTH_NAMING * measured_s:
            found.append(f"{who} for {taken_s:,.1f} s of {measured_s:,.0f} s.")
    steps = [value for each in points if (value := each.conditions.get("slowed_steps"))]
    if steps:
        found.append(f"Cooling slowed the device by up to {max(steps):g} steps.")
    return (*found, *filter(None, (_clock_fell(points), _slower_when_warm(points))))


def unseen_of(points: Sequence[Point]) -> str | None:
    """Say that heat cannot be seen on this device; None where it would be."""
    shown = {
        name for each in points for name, value in {**each.conditions, **each.counters}.items() if value is not None
    }
    if shown & {"temperature_c", "throttle_events", "slowed_steps"}:
        return None
    return "This device shows neither its temperature nor its throttling: heat can only be seen in the times."


def _grown(points: Sequence[Point], name: str) -> float:
    """Add up by how much a counter grew within sessions; between two, the machine may have been started anew."""
    steps = (
        (one.counters.get(name), other.counters.get(name))
        for one, other in pairwise(points)
        if one.session == other.session
    )
    return sum(max(0.0, b - a) for a, b in steps if a is not None and b is not None)


def _clock_fell(points: Sequence[Point]) -> str | None:
    clocks, times = _paired(points, "clock_mhz")
    if clocks.size < _FEWEST_POINTS:
        return None
    part = max(5, clocks.size // 10)
    first, last = float(np.median(clocks[:part])), float(np.median(clocks[-part:]))
    slower = float(np.median(times[-part:]) / np.median(times[:part])) - 1
    if last > (1 - _CLOCK_FELL) * first or slower <= 0:
        return None
    return (
        f"The clock fell from {first:,.0f} to {last:,.0f} MHz, and the median response rose by {100 * slower:.0f} %: "
        "look after cooling and power mode."
    )


def _slower_when_warm(points: Sequence[Point]) -> str | None:
    """Ask whether temperature and response times rise together (Spearman), and by how much."""
    from scipy.stats import spearmanr

    temperature, times = _paired(points, "temperature_c")
    if temperature.size < _FEWEST_POINTS or not np.ptp(temperature) or not np.ptp(times):
        return None
    answer = spearmanr(temperature, times)
    low, high = np.quantile(temperature, (0.25, 0.75))
    cool, warm = np.median(times[temperature <= low]), np.median(times[temperature >= high])
    if answer.statistic < _CORRELATION or answer.pvalue > _P_VALUE or warm < (1 + _SLOWER_WHEN_WARM) * cool:
        return None
    return (
        f"Heat: from {temperature.min():.0f} to {temperature.max():.0f} degrees Celsius the median response rose by "
        f"{100 * (warm / cool - 1):.0f} %."
    )


def _paired(points: Sequence[Point], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give a condition and the median response of every point that shows the condition, float64 `[n]` each."""
    shown = [
        (value, quantile_ns(each.response, 0.5)) for each in points if (value := each.conditions.get(name)) is not None
    ]
    values = np.array(shown, dtype=np.float64).reshape(-1, 2)
    return values[:, 0], values[:, 1]
