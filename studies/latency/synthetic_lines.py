"""Synthetic lines whose true share of late frames is known exactly: what a proof can be held against.

Two kinds. On a *stalling* line frames are quick but for stalls, which begin at random and each make `burst` frames in
a row late, the response falling from frame to frame as a queue does that is worked off. A frame is late if a stall
began within the last `burst` frames, so a stall begins with probability 1 - (1 - rate)**(1 / burst).

On a *noisy* line response times are lognormal, one hanging on the one before: the logarithm is a stationary AR(1)
process (correlation 0: independent), and it may rise over the run; the rate named is then that of its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.timing.measurement import Measurement
from ...inspection.line.arrivals import Arrivals

BELT = Arrivals(period_ns=10_000_000)
DEADLINE_MS = 20.0
WORK_MS = 1.0
"""A device that is busy for a tenth of the time, so a stall of S ms makes ceil((S + 1 - 20) / 9) frames late."""

_CAUGHT_UP_MS = 9.0
_QUICK_MS = 0.3
_SPREAD = 0.35
_NUMBERS_AT_ONCE = 2_000_000

Responses = NDArray[np.float64]
"""Response times in ms of some lines, float64 `[lines, frames]`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How frames come to be late.

    Attributes:
        burst: Frames that each stall makes late; 0: a noisy line.
        shortest_burst: Stalls make between this and `burst` frames late, evenly; 0: all the same.
        correlation: Of neighbours on a noisy line, in [0, 1).
        rise: How far a noisy line's logarithm rises over the run, in standard deviations.
    """

    burst: int = 0
    shortest_burst: int = 0
    correlation: float = 0.0
    rise: float = 0.0


def draw_lines(
    behaviour: Behaviour, *, rate: float, lines: int, frames: int, random: np.random.Generator
) -> Iterator[Responses]:
    """Draw runs of lines, in blocks, so that memory stays bounded.

    Args:
        behaviour: How frames come to be late.
        rate: True share of late frames, in (0, 1).
        lines: How many.
        frames: Of each run.
        random: Where chance comes from.
    """
    block = max(1, _NUMBERS_AT_ONCE // frames)
    for start in range(0, lines, block):
        shape = (min(block, lines - start), frames)
        yield _stalling(behaviour, rate, shape, random) if behaviour.burst else _noisy(behaviour, rate, shape, random)


def measurement_of(response_ms: NDArray[np.float64]) -> Measurement:
    """Give a run's response times the form in which measurements are judged."""
    due = BELT.period_ns * np.arange(response_ms.size, dtype=np.int64)
    decided = due + np.round(response_ms * 1e6).astype(np.int64)
    started = decided - int(WORK_MS * 1e6)
    return Measurement(
        mode="belt",
        arrivals=BELT,
        warmup=0,
        scheduled_ns=due,
        started_ns=started,
        engine_start_ns=started,
        engine_end_ns=decided,
        decided_ns=decided,
        fingerprint={},
        artifact_digest="",
    )


def _stalling(behaviour: Behaviour, rate: float, shape: tuple[int, int], random: np.random.Generator) -> Responses:
    """Let stalls begin up to `burst` frames before the run: it is a stretch of a line that has long been running."""
    lines, frames = shape
    shortest, longest = behaviour.shortest_burst or behaviour.burst, behaviour.burst
    begins = random.random((lines, frames + longest)) < _stall_rate(rate, shortest, longest)
    row, column = np.nonzero(begins)
    length = random.integers(shortest, longest + 1, row.size)
    phase_ms = _CAUGHT_UP_MS * random.random(row.size)
    response = WORK_MS + _QUICK_MS * random.standard_exponential((lines, frames + 2 * longest + 1))
    for step in range(longest + 2):
        waits_ms = DEADLINE_MS + (length - step) * _CAUGHT_UP_MS - phase_ms
        here = row, column + step
        response[here] = np.maximum(response[here], waits_ms)
    return response[:, longest : longest + frames]


def _stall_rate(rate: float, shortest: int, longest: int) -> float:
    """Solve for the probability that a stall begins with a frame, so that the true share of late frames is `rate`.

    A frame is in time if no stall that began k frames ago (k = 0, 1, ...) lasts beyond k; one does so with probability
    min(1, (longest - k) / choices).
    """
    choices = longest - shortest + 1
    lasting = np.minimum(1.0, (longest - np.arange(longest)) / choices)
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        late = 1 - float(np.prod(1 - middle * lasting))
        low, high = (middle, high) if late < rate else (low, middle)
    return (low + high) / 2


def _noisy(behaviour: Behaviour, rate: float, shape: tuple[int, int], random: np.random.Generator) -> Responses:
    from scipy.signal import lfilter
    from scipy.special import ndtri

    noise = random.standard_normal(shape)
    if phi := behaviour.correlation:
        before = random.standard_normal((shape[0], 1))
        noise = lfilter([np.sqrt(1 - phi * phi)], [1.0, -phi], noise, axis=1, zi=phi * before)[0]
    if behaviour.rise:
        noise += behaviour.rise * (np.arange(1, shape[1] + 1) / shape[1] - 1)
    found: Responses = DEADLINE_MS * np.exp(_SPREAD * (noise - ndtri(1 - rate)))
    return found
