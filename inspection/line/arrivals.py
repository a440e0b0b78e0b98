"""How parts arrive at the camera: evenly, off their places, touching each other, in front of several cameras.

A schedule is a rule, not a list: any stretch of it can be worked out on its own, so that a week of frames needs no
memory and whoever reads a measurement can tell whether a frame was left out of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base.errors import LineFileError

_LONGEST_NS = 1 << 47
_MOST_CAMERAS = 64
_MOST_COUNT = 1 << 31
_CHUNK_FRAMES = 512
_WORDS_PER_STEP = 4
"""Philox gives four 64-bit words for each step of its counter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """The rule by which frames fall due; all times in ns, JSON-able with `dataclasses.asdict`.

    A part's first photograph is due at its place plus its jitter, the others one period after another. All cameras
    are triggered together: their frames are due at the same moment, one behind the other in the order.

    Parts of a burst were held up until they touched: the last of them is at its place, those before it come one burst
    pitch apart ahead of it, after a gap. So the belt's mean rate stays. Touching parts share one jitter, and their
    photographs are spread evenly over the burst pitch.

    Attributes:
        period_ns: From one photograph to the next on a plain belt, > 0.
        frames_per_part: Photographs that each camera takes of a part, >= 1.
        cameras: How many share the device, in [1, 64].
        jitter_ns: Farthest that a part lies from its place, uniform; at most half a period: parts do not overtake.
        burst_every: One burst in so many parts; 0: none.
        burst_parts: Parts of a burst, in [2, burst_every).
        burst_pitch_ns: From part to part within a burst, below that of the belt.
        seed: Of the jitter, in [0, 2**63).
    """

    period_ns: int
    frames_per_part: int = 1
    cameras: int = 1
    jitter_ns: int = 0
    burst_every: int = 0
    burst_parts: int = 0
    burst_pitch_ns: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a rule that no belt follows; it may come from a file."""
        bursts = self.burst_every > 0
        for name, value, low, high in (
            ("period_ns", self.period_ns, 1, _LONGEST_NS),
            ("frames_per_part", self.frames_per_part, 1, _MOST_COUNT),
            ("cameras", self.cameras, 1, _MOST_CAMERAS),
            ("jitter_ns", self.jitter_ns, 0, self.period_ns // 2),
            ("burst_every", self.burst_every, 0, _MOST_COUNT),
            ("burst_parts", self.burst_parts, 2 if bursts else 0, self.burst_every - 1 if bursts else 0),
            ("burst_pitch_ns", self.burst_pitch_ns, int(bursts), self.part_ns - 1 if bursts else 0),
            ("seed", self.seed, 0, (1 << 63) - 1),
        ):
            if type(value) is not int or not low <= value <= high:
                msg = f"arrivals: {name} must be a whole number in [{low}, {high}], got {value!r}"
                raise LineFileError(msg)

    @property
    def part_ns(self) -> int:
        """From one part to the next on a plain belt."""
        return self.period_ns * self.frames_per_part

    @property
    def frames_per_s(self) -> float:
        """Mean rate at which the device must work frames off, those of all cameras."""
        return 1e9 * self.cameras / self.period_ns


def due_ns(arrivals: Arrivals, *, start: int, frames: int) -> NDArray[np.int64]:
    """Work out when frames are due, counted from the place of the first part.

    Args:
        arrivals: The rule.
        start: Index of the first frame wanted, >= 0.
        frames: How many, >= 0.

    Returns:
        Never falling times, int64 `[frames]`; the first ones may lie up to `jitter_ns` below 0.

    >>> due_ns(Arrivals(period_ns=15_000_000), start=1, frames=3).tolist()
    [15000000, 30000000, 45000000]
    >>> touching = Arrivals(period_ns=100, burst_every=5, burst_parts=3, burst_pitch_ns=10)
    >>> due_ns(touching, start=0, frames=7).tolist()
    [0, 100, 380, 390, 400, 500, 600]
    """
    triggers = np.arange(start, start + frames, dtype=np.int64) // arrivals.cameras
    parts, photograph = np.divmod(triggers, arrivals.frames_per_part)
    due, leaders = triggers * arrivals.period_ns, parts
    if arrivals.burst_every:
        place = parts % arrivals.burst_every - (arrivals.burst_every - arrivals.burst_parts)
        ahead = arrivals.burst_parts - 1 - place
        held = (parts + ahead) * arrivals.part_ns - ahead * arrivals.burst_pitch_ns
        held += photograph * (arrivals.burst_pitch_ns // arrivals.frames_per_part)
        due, leaders = np.where(place >= 0, held, due), parts - np.maximum(0, place)
    return due + _jitter_ns(arrivals, leaders) if arrivals.jitter_ns else due


def schedule_ns(arrivals: Arrivals, *, first_ns: int) -> Iterator[int]:
    """Give the due times of all frames, endlessly, in constant memory.

    Args:
        arrivals: The rule.
        first_ns: The place of the first part, on the clock wanted.

    >>> from itertools import islice
    >>> list(islice(schedule_ns(Arrivals(period_ns=10, cameras=2), first_ns=1_000), 5))
    [1000, 1000, 1010, 1010, 1020]
    """
    start = 0
    while True:
        yield from (first_ns + due_ns(arrivals, start=start, frames=_CHUNK_FRAMES)).tolist()
        start += _CHUNK_FRAMES


def _jitter_ns(arrivals: Arrivals, parts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Draw each part's jitter from a counter, so that it depends on the seed and the part's index alone.

    Philox: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; numpy keeps its stream stable.
    """
    if not parts.size:
        return parts
    first = int(parts[0]) // _WORDS_PER_STEP
    source = np.random.Philox(key=arrivals.seed)
    words = source.advance(first).random_raw(int(parts[-1]) + 1 - first * _WORDS_PER_STEP)
    uniform = (words >> np.uint64(11)) * 2.0**-53
    drawn = np.floor(uniform * (2 * arrivals.jitter_ns + 1)).astype(np.int64) - arrivals.jitter_ns
    found: NDArray[np.int64] = drawn[parts - first * _WORDS_PER_STEP]
    return found
