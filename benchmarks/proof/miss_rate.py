"""Is the share of late frames below the limit? A sequential test whose error is spent look by look.

Testing after every frame would find a lucky moment sooner or later. So the looks are fixed before the first frame and
each has its share of the allowed error, alpha = 1 - confidence: half of it at the first look, half of the rest at the
next, ..., all that is left at the last one. By the union bound a false `fits` (a false `misses`) has at most
probability alpha over the whole run.

Frames are not late independently of each other: one stall makes several in a row late. So the test counts events, up
to L late frames being one, and one trial takes L frames. L follows from the longest stall that the gate allows for
(`inspection.stalls`), since no count can show a burst that has not happened yet. L = 1 is the plain binomial test.

For `fits`, n frames with m late ones are ceil(m / L) events among floor(n / L). Why that is sound: let stalls come at
random and each make at most L frames late. Frames that are L apart are then late independently, so every L-th frame
makes a binomial sample of the true rate, and m / L is the mean count of L such samples, which spreads no wider than
one of them does: widest where every stall makes all L frames late, the case that the test is exact for. If stalls are
longer than assumed, the error is above alpha, and only a burst that shows can tell (`bursts`).

For `misses`, the late frames are as many events as they fill, floor(m / L), but no more than there are unbroken series
of them: whatever its length, a series is one event, which can only understate the miss rate; without that, a single
hiccup early in a run would condemn a device. Only a run in which most frames are late (the backlog grows and grows) is
judged by its frames alone.

Where several cameras share the device, their frames fall due together: a series ends when a whole trigger is in time.

Bounds: Clopper and Pearson 1934. Looks and spending: `looks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...inspection.line.gates import MissGate
from ...inspection.statistics.bounds import rate_lower, rate_upper
from .interim_looks import InterimLook, end_look, frames_to_fit

Outcome = Literal["fits", "misses", "inconclusive"]

_HOPELESS = 0.75
"""Share of late frames from which on they are no bursts any more: work takes longer than the belt allows."""

_MOST_FRAMES = 1_000_000_000
_STEP = 1.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a run says about the miss rate.

    Attributes:
        verdict: `fits`, `misses` or `inconclusive`.
        misses: Late frames.
        frames: Judged frames.
        upper: Upper bound of the miss rate at the confidence of the look reached.
        lower: Lower bound, likewise; a series of late frames counts as one event.
        frames_needed: So many more frames a run would have to have, planned for that length from its start, to end in
            `fits` with no event more than were seen; 0 if decided.
        bursts: Unbroken series of late frames.
        burst_frames: Up to so many late frames were one event, >= 1.
    """

    verdict: Outcome
    misses: int
    frames: int
    upper: float
    lower: float
    frames_needed: int
    bursts: int = 0
    burst_frames: int = 1

    @property
    def effective_frames(self) -> int:
        """Frames that say something of their own."""
        return self.frames // self.burst_frames

    @property
    def events(self) -> int:
        """What the late frames count as."""
        return events_of(self.misses, burst_frames=self.burst_frames)

    @property
    def backlogged(self) -> bool:
        """Whether most frames are late: the device cannot keep up, which is no burst."""
        return self.misses >= _HOPELESS * self.frames


def events_of(misses: int, *, burst_frames: int) -> int:
    """Count the events that so many late frames are for `fits`: as many as it takes to hold them.

    >>> events_of(5, burst_frames=1), events_of(5, burst_frames=3)
    (5, 2)
    """
    return -(-misses // burst_frames)


def decide(look: InterimLook, *, misses: int, bursts: int) -> Outcome:
    """Judge at a look; integers only, so that it costs a measuring loop nothing.

    Args:
        look: Where the run stands.
        misses: Late frames so far.
        bursts: Unbroken series of late frames so far.
    """
    if events_of(misses, burst_frames=look.burst_frames) <= look.fits_up_to:
        return "fits"
    condemning = _condemning(look.frames, misses=misses, bursts=bursts, burst_frames=look.burst_frames)
    return "misses" if condemning >= look.misses_from else "inconclusive"


def prove(late: NDArray[np.bool_], *, gate: MissGate, looks: Sequence[InterimLook], cameras: int = 1) -> Proof:
    """Judge the frames of a run in their order, looking only where it was planned.

    Args:
        late: Whether each judged frame missed its deadline, bool `[frames]`.
        gate: The allowed miss rate and the confidence.
        looks: What `plan_looks` gave for this run; at least one.
        cameras: Frames that fall due together, >= 1.

    Returns:
        The first certain outcome and the numbers at that look; else the numbers of the whole run, `inconclusive`.
        A run that was cut short (its backlog outlasted the time, or somebody stopped it) is judged once more, for
        `misses` only, as if all frames up to the look that it did not reach had been in time; only where most frames
        are late does their share count.
    """
    misses = np.cumsum(late, dtype=np.int64)
    bursts = np.cumsum(starts_of(late, cameras=cameras), dtype=np.int64)
    for look in looks:
        if look.frames > late.size:
            break
        seen = int(misses[look.frames - 1]), int(bursts[look.frames - 1])
        outcome = decide(look, misses=seen[0], bursts=seen[1])
        if outcome != "inconclusive":
            return replace(_numbers(look.frames, *seen, gate, look), verdict=outcome, frames_needed=0)
    ahead = next((look for look in looks if look.frames >= late.size), looks[-1])
    totals = (int(misses[-1]), int(bursts[-1])) if late.size else (0, 0)
    proof = _numbers(late.size, *totals, gate, ahead)
    cut_short = late.size < ahead.frames
    return replace(proof, verdict="misses", frames_needed=0) if cut_short and proof.lower > gate.max else proof


def prove_counts(*, frames: int, misses: int, bursts: int, gate: MissGate, burst_frames: int = 1) -> Proof:
    """Judge a run of which only the counts are kept, with one look at its end and the whole error.

    Args:
        frames: Judged frames, >= 1.
        misses: Late ones.
        bursts: Series of late frames; see `starts_of`.
        gate: The allowed miss rate and the confidence.
        burst_frames: Late frames that count as one event for `fits`, >= 1; see `inspection.stalls`.

    >>> prove_counts(frames=4603, misses=0, bursts=0, gate=MissGate()).verdict
    'fits'
    """
    (look,) = end_look(gate, frames=frames, burst_frames=burst_frames)
    proof, outcome = _numbers(frames, misses, bursts, gate, look), decide(look, misses=misses, bursts=bursts)
    return proof if outcome == "inconclusive" else replace(proof, verdict=outcome, frames_needed=0)


def starts_of(late: NDArray[np.bool_], *, cameras: int = 1) -> NDArray[np.bool_]:
    """Mark where series of late frames begin: none of the frames of a whole trigger before was late.

    >>> starts_of(np.array([True, True, False, True, False, False, True])).astype(int).tolist()
    [1, 0, 0, 1, 0, 0, 1]
    >>> starts_of(np.array([True, True, False, True, False, False, True]), cameras=2).astype(int).tolist()
    [1, 0, 0, 0, 0, 0, 1]
    """
    starts: NDArray[np.bool_] = late.copy()
    for back in range(1, min(cameras, late.size - 1) + 1):
        starts[back:] &= ~late[:-back]
    return starts


def frames_to_fit_as_seen(gate: MissGate, proof: Proof) -> int | None:
    """Estimate how long a run must be if late frames go on coming as they did; None: no run will do.

    Args:
        gate: The allowed miss rate and the confidence.
        proof: With at least one frame.
    """
    rate = proof.events / max(1, proof.frames)
    frames = frames_to_fit(gate, events=proof.events, burst_frames=proof.burst_frames)
    while frames <= _MOST_FRAMES and rate * proof.burst_frames < gate.max:
        needed = frames_to_fit(gate, events=ceil(rate * frames), burst_frames=proof.burst_frames)
        if needed <= frames:
            return frames
        frames = max(needed, ceil(frames * _STEP))
    return None


def _condemning(frames: int, *, misses: int, bursts: int, burst_frames: int) -> int:
    """Count the events that so many late frames are for `misses`: no more than there are series, but for a backlog."""
    filled = misses // burst_frames
    return filled if misses >= _HOPELESS * frames else min(filled, bursts)


def _numbers(frames: int, misses: int, bursts: int, gate: MissGate, look: InterimLook) -> Proof:
    burst, hopeless = look.burst_frames, misses >= _HOPELESS * frames
    among = -(-(frames if hopeless else max(frames, look.frames)) // burst)
    condemning = _condemning(frames, misses=misses, bursts=bursts, burst_frames=burst)
    trials, events = frames // burst, events_of(misses, burst_frames=burst)
    needed = frames_to_fit(gate, events=events, burst_frames=burst) - frames
    return Proof(
        verdict="inconclusive",
        misses=misses,
        frames=frames,
        upper=rate_upper(min(events, trials), trials, confidence=look.fits_confidence),
        lower=rate_lower(condemning, among, confidence=look.misses_confidence),
        frames_needed=max(1, needed),
        bursts=bursts,
        burst_frames=burst,
    )
