"""When a proof may look: moments fixed before the first frame, each with its share of the error.

See `proof` for what is counted. Spending: Lan and DeMets, "Discrete sequential boundaries for clinical trials",
Biometrika 70 (1983), here in its most conservative form: half of alpha at the first look, half of the rest at the
next, ..., all that is left at the last one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from ...inspection.line.gates import MissGate
from ...inspection.statistics.bounds import frames_needed, rate_lower, rate_upper


@dataclass(frozen=True, slots=True, kw_only=True)
class InterimLook:
    """A moment fixed beforehand at which the test may end.

    Attributes:
        frames: Judged frames so far.
        fits_up_to: `fits` with at most this many events; -1: this look cannot end in `fits`.
        misses_from: `misses` with at least this many events; above `frames`: it cannot end in `misses`.
        fits_confidence: Of the upper bound: 1 - the error spent here (or at the next look that can end in `fits`).
        misses_confidence: Of the lower bound, likewise.
        burst_frames: Up to so many late frames are one event, >= 1; see `proof`.
    """

    frames: int
    fits_up_to: int
    misses_from: int
    fits_confidence: float
    misses_confidence: float
    burst_frames: int = 1


def plan_looks(
    gate: MissGate, *, limit_frames: int, first_frames: int = 64, burst_frames: int = 1
) -> tuple[InterimLook, ...]:
    """Fix the looks of a run before it begins.

    `fits` can be said where 0, 1, 2, 4, 8, ... events would still pass; `misses` at `first_frames` and each doubling
    of it; both at the limit, which spends what is left of the error.

    Args:
        gate: The allowed miss rate and the confidence.
        limit_frames: The run's last frame, >= 1.
        first_frames: The first look, >= 1; long enough that no single stall fills most of it.
        burst_frames: Late frames that count as one event, >= 1; see `inspection.stalls`.

    Returns:
        Looks by rising number of frames, the last at `limit_frames`.

    >>> looks = plan_looks(MissGate(max=0.001, confidence=0.99), limit_frames=4603)
    >>> looks[-1].frames, looks[-1].fits_up_to
    (4603, 0)
    >>> looks = plan_looks(MissGate(max=0.001, confidence=0.99), limit_frames=20_000)
    >>> [(look.frames, look.fits_up_to) for look in looks if look.fits_up_to >= 0]
    [(5296, 0), (8209, 1), (10958, 2), (15412, 4), (20000, 6)]
    >>> looks = plan_looks(MissGate(max=0.001, confidence=0.99), limit_frames=20_000, burst_frames=3)
    >>> [(look.frames, look.fits_up_to) for look in looks if look.fits_up_to >= 0]
    [(15888, 0), (20000, 0)]
    """
    ends = [
        *_fits_looks(gate, limit_frames, burst_frames),
        *_misses_looks(gate, limit_frames, first_frames, burst_frames),
    ]
    looks: list[InterimLook] = []
    for frames in sorted({look.frames for look in ends}):
        here = [look for look in ends if look.frames == frames]
        ahead = [look for look in ends if look.frames >= frames]
        looks.append(
            InterimLook(
                frames=frames,
                fits_up_to=max(look.fits_up_to for look in here),
                misses_from=min(look.misses_from for look in here),
                fits_confidence=min(look.fits_confidence for look in ahead if look.fits_confidence),
                misses_confidence=min(look.misses_confidence for look in ahead if look.misses_confidence),
                burst_frames=burst_frames,
            )
        )
    return tuple(looks)


def end_look(gate: MissGate, *, frames: int, burst_frames: int = 1) -> tuple[InterimLook, ...]:
    """Plan a test that looks only once, at the end, with the whole error; for runs that no test can stop.

    >>> [(look.frames, look.fits_up_to) for look in end_look(MissGate(max=0.01, confidence=0.99), frames=662)]
    [(662, 1)]
    """
    fits = _last_fits_look(gate.max, frames, gate.confidence, burst_frames)
    misses = _misses_look(gate.max, frames, gate.confidence, burst_frames)
    return (replace(fits, misses_from=misses.misses_from, misses_confidence=gate.confidence),)


@lru_cache(maxsize=1024)
def frames_to_fit(gate: MissGate, *, events: int = 0, burst_frames: int = 1) -> int:
    """Count the frames of the shortest run that can end in `fits` in spite of so many events.

    A run spends its error on the looks before its last one, so what a run of n frames can prove depends on the n that
    it was planned for: from 8,210 frames on a third look takes its share, for example.

    >>> [frames_to_fit(MissGate(), events=events) for events in (0, 1, 2)]
    [4603, 7427, 10121]
    >>> frames_to_fit(MissGate(), burst_frames=7)
    32221
    """
    alpha, passing, looks, reached = 1 - gate.confidence, 0, 0, 0
    while True:
        rest, share = alpha / 2**looks, alpha / 2 ** (looks + 1)
        enough = max(frames_needed(gate.max, confidence=1 - rest, misses=events), reached + 1)
        reached = frames_needed(gate.max, confidence=1 - share, misses=passing)
        if enough <= reached:
            return enough * burst_frames
        looks, passing = looks + 1, max(passing + 1, 2 * passing)


def _fits_looks(gate: MissGate, limit_frames: int, burst_frames: int) -> list[InterimLook]:
    alpha, passing = 1 - gate.confidence, 0
    looks: list[InterimLook] = []
    while True:
        confidence = 1 - alpha / 2 ** (len(looks) + 1)
        frames = burst_frames * frames_needed(gate.max, confidence=confidence, misses=passing)
        if frames >= limit_frames:
            break
        looks.append(_fits_look(frames, passing, confidence, burst_frames))
        passing = max(passing + 1, 2 * passing)
    rest = 1 - alpha / 2 ** len(looks)
    return [*looks, _last_fits_look(gate.max, limit_frames, rest, burst_frames)]


def _misses_looks(gate: MissGate, limit_frames: int, first_frames: int, burst_frames: int) -> list[InterimLook]:
    alpha, frames = 1 - gate.confidence, first_frames
    looks: list[InterimLook] = []
    while frames < limit_frames:
        looks.append(_misses_look(gate.max, frames, 1 - alpha / 2 ** (len(looks) + 1), burst_frames))
        frames *= 2
    return [*looks, _misses_look(gate.max, limit_frames, 1 - alpha / 2 ** len(looks), burst_frames)]


def _last_fits_look(max_rate: float, frames: int, confidence: float, burst_frames: int) -> InterimLook:
    passing = _most_passing(frames // burst_frames, max_rate, confidence)
    return _fits_look(frames, passing, confidence, burst_frames)


def _fits_look(frames: int, passing: int, confidence: float, burst_frames: int) -> InterimLook:
    return InterimLook(
        frames=frames,
        fits_up_to=passing,
        misses_from=frames + 1,
        fits_confidence=confidence,
        misses_confidence=0.0,
        burst_frames=burst_frames,
    )


def _misses_look(max_rate: float, frames: int, confidence: float, burst_frames: int) -> InterimLook:
    trials = -(-frames // burst_frames)
    events = _first_true(lambda count: rate_lower(count, trials, confidence=confidence) > max_rate, trials)
    return InterimLook(
        frames=frames,
        fits_up_to=-1,
        misses_from=events if events <= trials else frames + 1,
        fits_confidence=0.0,
        misses_confidence=confidence,
        burst_frames=burst_frames,
    )


def _most_passing(frames: int, max_rate: float, confidence: float) -> int:
    return _first_true(lambda count: rate_upper(count, frames, confidence=confidence) > max_rate, frames) - 1


def _first_true(holds: Callable[[int], bool], most: int) -> int:
    """Find the smallest count in [0, most] for which a monotone condition holds, or most + 1."""
    low, high = 0, most + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
