"""How well this machine keeps time: measured with the loop that measures models, and no model in it.

What is found here is the instrument's own error. A run shows the same once more, with the model's heat and caches:
`summary.pacer_p99_us`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ...export.contracts import Decision, Frame
from ...inspection.base.errors import MeasurementError
from ...inspection.line.arrivals import Arrivals, schedule_ns
from ...inspection.statistics.quantile import quantile, quantiles
from .loop import offer
from .pacing import SPIN_NS

_NAPS = 40
_NAP_NS = 1_000_000
_LONGEST_SPIN_NS = 20_000_000
_PROBED_PERIOD_NS = 1_000_000
_SHORTER_NS = (500_000, 200_000, 100_000, 50_000, 20_000)
_LONGER_NS = (2_000_000, 5_000_000, 10_000_000, 20_000_000, 50_000_000)
_LATE_SHARE = 0.05
_TRIES = 3
_LEAD_NS = 2_000_000
_PROBE_NS = 20_000_000
_FEWEST_FRAMES, _MOST_FRAMES = 7, 1_000

NO_FRAME: Frame = np.zeros((1, 1, 1), dtype=np.uint8)
"""What `no_work` is offered."""

_DECIDED = Decision(score=0.0, heatmap=NO_FRAME[0], engine_start_ns=0, engine_end_ns=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """What a machine's timer can do; JSON-able.

    Attributes:
        oversleep_us: How much too long three of four short sleeps last at most.
        spin_ns: How long before a due time sleeping must end, so that it is met.
        late_p50_us: Median lateness of frames without work, one every millisecond.
        late_p99_us: Its 99th percentile.
        late_max_us: The latest of them.
        shortest_period_ns: The shortest period held: half of its frames start at most 5 % of it too late.
    """

    oversleep_us: float
    spin_ns: int
    late_p50_us: float
    late_p99_us: float
    late_max_us: float
    shortest_period_ns: int


def examine_timer(*, frames: int = 200) -> Timer:
    """Measure the timer on the CPU that this process runs on.

    Args:
        frames: So many frames of a millisecond each give the lateness; 1,000 show a 99th percentile well.

    Returns:
        The figures at this moment: whatever else runs on the CPU is in them.
    """
    oversleep_ns = _oversleep_ns()
    spin_ns = min(max(3 * oversleep_ns, SPIN_NS), _LONGEST_SPIN_NS)
    late_us = lateness_ns(_PROBED_PERIOD_NS, frames=frames, spin_ns=spin_ns) / 1e3
    p50, p99 = quantiles(late_us, (0.5, 0.99)).tolist()
    return Timer(
        oversleep_us=oversleep_ns / 1e3,
        spin_ns=spin_ns,
        late_p50_us=p50,
        late_p99_us=p99,
        late_max_us=float(late_us.max()),
        shortest_period_ns=_shortest_period_ns(spin_ns),
    )


def timer_holding(arrivals: Arrivals) -> Timer:
    """Measure the timer and make sure that it can offer frames as they arrive.

    Frames that are due together, or that touch, ask nothing of a timer: the later ones wait for the device.

    Raises:
        MeasurementError: The belt's period is shorter than the timer holds now; the message says what it holds.
    """
    timer = examine_timer()
    if arrivals.period_ns < timer.shortest_period_ns and not _holds(arrivals.period_ns, timer.spin_ns):
        msg = (
            f"a frame every {arrivals.period_ns / 1e6:g} ms is more than the timer of this machine holds: measured "
            f"just now, it holds a period of {timer.shortest_period_ns / 1e6:g} ms (it starts frames "
            f"{timer.late_p99_us:.3g} us late, p99); stop what else runs, or measure a slower belt"
        )
        raise MeasurementError(msg)
    return timer


def lateness_ns(period_ns: int, *, frames: int, spin_ns: int) -> NDArray[np.int64]:
    """Let the measuring loop offer frames that need no work.

    Args:
        period_ns: From frame to frame, > 0.
        frames: How many.
        spin_ns: How long before a due time to spin.

    Returns:
        How late each frame was started, in ns, int64 `[frames]`.
    """
    late: list[int] = []

    def note(due_ns: int, started_ns: int, *_: int) -> None:
        late.append(started_ns - due_ns)

    due = schedule_ns(Arrivals(period_ns=period_ns), first_ns=time.perf_counter_ns() + _LEAD_NS)
    offer(no_work, [NO_FRAME], islice(due, frames), note=note, in_slack=lambda: None, spin_ns=spin_ns)
    return np.array(late, dtype=np.int64)


def no_work(_: Frame) -> Decision:
    """Decide at once: what is left is the loop itself."""
    return _DECIDED


def _oversleep_ns() -> int:
    naps = np.empty(_NAPS, dtype=np.int64)
    for index in range(_NAPS):
        begin_ns = time.perf_counter_ns()
        time.sleep(_NAP_NS / 1e9)
        naps[index] = time.perf_counter_ns() - begin_ns - _NAP_NS
    return int(quantile(naps, 0.75))


def _shortest_period_ns(spin_ns: int) -> int:
    """Go down from 1 ms as long as the period is held, or up from there until one is."""
    if not _holds(_PROBED_PERIOD_NS, spin_ns):
        return next((longer for longer in _LONGER_NS if _holds(longer, spin_ns)), 2 * _LONGER_NS[-1])
    held = _PROBED_PERIOD_NS
    for shorter in _SHORTER_NS:
        if not _holds(shorter, spin_ns):
            break
        held = shorter
    return held


def _holds(period_ns: int, spin_ns: int) -> bool:
    """Say whether one of three tries held the period: others on the machine can only make it worse."""
    frames = min(max(_FEWEST_FRAMES, _PROBE_NS // period_ns), _MOST_FRAMES)
    tries = (lateness_ns(period_ns, frames=frames, spin_ns=spin_ns) for _ in range(_TRIES))
    return any(quantile(late_ns, 0.5) <= _LATE_SHARE * period_ns for late_ns in tries)
