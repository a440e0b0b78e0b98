"""Is the share of late frames below the limit? A sequential test whose error is spent look by look.

Testing after every frame would find a lucky moment sooner or later. So the looks are fixed before the first frame and
each has its share of the allowed error, alpha = 1 - confidence: half of it at the first look, half of the rest at the
next, ..., all that is left at the last one. By the union bound a false `fits` (a false `misses`) has at most
probability alpha over the whole run, for frames that are late independently of each other.

Frames are not always independent: one stall makes several parts in a row late. For `misses` such a spell counts as one
event, which can only understate the miss rate; without that, a single hiccup early in a run would condemn a device.
Only a run in which most frames are late (the backlog grows and grows) is judged by its frames.

For `fits` each late frame counts, but no count can show a spell that has not happened yet: if late frames only ever
come ten in a row, a run must be about ten times as long for the same certainty. `steadiness` measures such spells on
the nearly late frames, and the verdict then counts only independent ones; stalls too rare to have been seen at all
are beyond any test of this length.

Bounds: Clopper and Pearson 1934. Spending: Lan and DeMets, "Discrete sequential boundaries for clinical trials",
Biometrika 70 (1983), here in its most conservative form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..inspection.bounds import frames_needed, rate_lower, rate_upper
from ..inspection.gates import MissGate

Outcome = Literal["fits", "misses", "inconclusive"]

_HOPELESS = 0.75
"""Share of late frames from which on they are no spells any more: work takes longer than the belt allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A moment fixed beforehand at which the test may end.

    Attributes:
        frames: Judged frames so far.
        fits_up_to: `fits` with at most this many late frames; -1: this look cannot end in `fits`.
        misses_from: `misses` with at least this many late spells; above `frames`: it cannot end in `misses`.
        fits_confidence: Of the upper bound: 1 - the error spent here (or at the next look that can end in `fits`).
        misses_confidence: Of the lower bound, likewise.
    """

    frames: int
    fits_up_to: int
    misses_from: int
    fits_confidence: float
    misses_confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a run says about the miss rate.

    Attributes:
        verdict: `fits`, `misses` or `inconclusive`.
        misses: Late frames.
        frames: Judged frames.
        upper: Upper bound of the miss rate at the confidence of the look reached.
        lower: Lower bound, likewise; spells of late frames count as one.
        frames_needed: Further frames after which `fits` can be said if none of them is late; 0 if decided.
    """

    verdict: Outcome
    misses: int
    frames: int
    upper: float
    lower: float
    frames_needed: int


def plan_looks(gate: MissGate, *, limit_frames: int, first_frames: int = 64) -> tuple[Look, ...]:
    """Fix the looks of a run before it begins.

    `fits` can be said where 0, 1, 2, 4, 8, ... late frames would still pass; `misses` at `first_frames` and each
    doubling of it; both at the limit, which spends what is left of the error.

    Args:
        gate: The allowed miss rate and the confidence.
        limit_frames: The run's last frame, >= 1.
        first_frames: The first look, >= 1; long enough that no single stall fills most of it.

    Returns:
        Looks by rising number of frames, the last at `limit_frames`.

    >>> looks = plan_looks(MissGate(max=0.001, confidence=0.99), limit_frames=4603)
    >>> looks[-1].frames, looks[-1].fits_up_to
    (4603, 0)
    >>> looks = plan_looks(MissGate(max=0.001, confidence=0.99), limit_frames=20_000)
    >>> [(look.frames, look.fits_up_to) for look in looks if look.fits_up_to >= 0]
    [(5296, 0), (8209, 1), (10958, 2), (15412, 4), (20000, 6)]
    """
    alpha = 1 - gate.confidence
    ends = [*_fits_looks(gate, limit_frames), *_misses_looks(alpha, gate.max, limit_frames, first_frames)]
    looks: list[Look] = []
    for frames in sorted({look.frames for look in ends}):
        here = [look for look in ends if look.frames == frames]
        ahead = [look for look in ends if look.frames >= frames]
        looks.append(
            Look(
                frames=frames,
                fits_up_to=max(look.fits_up_to for look in here),
                misses_from=min(look.misses_from for look in here),
                fits_confidence=min(look.fits_confidence for look in ahead if look.fits_confidence),
                misses_confidence=min(look.misses_confidence for look in ahead if look.misses_confidence),
            )
        )
    return tuple(looks)


def end_look(gate: MissGate, *, frames: int) -> tuple[Look, ...]:
    """Plan a test that looks only once, at the end, with the whole error; for runs that no test can stop.

    >>> [(look.frames, look.fits_up_to) for look in end_look(MissGate(max=0.01, confidence=0.99), frames=662)]
    [(662, 1)]
    """
    fits = _fits_look(frames, _most_passing(frames, gate.max, gate.confidence), gate.confidence)
    misses = _misses_look(frames, gate.max, gate.confidence)
    return (replace(fits, misses_from=misses.misses_from, misses_confidence=gate.confidence),)


def decide(look: Look, *, misses: int, spells: int) -> Outcome:
    """Judge at a look; integers only, so that it costs a measuring loop nothing.

    Args:
        look: Where the run stands.
        misses: Late frames so far.
        spells: Unbroken series of late frames so far.
    """
    if misses <= look.fits_up_to:
        return "fits"
    hopeless = misses >= max(look.misses_from, _HOPELESS * look.frames)
    return "misses" if spells >= look.misses_from or hopeless else "inconclusive"


def prove(late: NDArray[np.bool_], *, gate: MissGate, looks: Sequence[Look]) -> Proof:
    """Judge the frames of a run in their order, looking only where it was planned.

    Args:
        late: Whether each judged frame missed its deadline, bool `[frames]`.
        gate: The allowed miss rate and the confidence.
        looks: What `plan_looks` gave for this run; at least one.

    Returns:
        The first certain outcome and the numbers at that look; else the numbers of the whole run, `inconclusive`.
        A run that was cut short (its backlog outlasted the time) is judged once more, for `misses` only, with the
        error of the look that it did not reach.
    """
    misses = np.cumsum(late, dtype=np.int64)
    spells = np.cumsum(late & ~np.concatenate([[False], late[:-1]]), dtype=np.int64)
    for look in looks:
        if look.frames > late.size:
            break
        seen = int(misses[look.frames - 1]), int(spells[look.frames - 1])
        outcome = decide(look, misses=seen[0], spells=seen[1])
        if outcome != "inconclusive":
            return replace(_numbers(look.frames, *seen, gate, look), verdict=outcome, frames_needed=0)
    ahead = next((look for look in looks if look.frames >= late.size), looks[-1])
    totals = (int(misses[-1]), int(spells[-1])) if late.size else (0, 0)
    proof = _numbers(late.size, *totals, gate, ahead)
    cut_short = late.size < ahead.frames
    return replace(proof, verdict="misses", frames_needed=0) if cut_short and proof.lower > gate.max else proof


def _fits_looks(gate: MissGate, limit_frames: int) -> list[Look]:
    alpha, passing = 1 - gate.confidence, 0
    looks: list[Look] = []
    while True:
        share = alpha / 2 ** (len(looks) + 1)
        frames = frames_needed(gate.max, confidence=1 - share, misses=passing)
        if frames >= limit_frames:
            break
        looks.append(_fits_look(frames, passing, 1 - share))
        passing = max(passing + 1, 2 * passing)
    rest = 1 - alpha / 2 ** len(looks)
    return [*looks, _fits_look(limit_frames, _most_passing(limit_frames, gate.max, rest), rest)]


def _misses_looks(alpha: float, max_rate: float, limit_frames: int, first_frames: int) -> list[Look]:
    looks: list[Look] = []
    frames = first_frames
    while frames < limit_frames:
        looks.append(_misses_look(frames, max_rate, 1 - alpha / 2 ** (len(looks) + 1)))
        frames *= 2
    return [*looks, _misses_look(limit_frames, max_rate, 1 - alpha / 2 ** len(looks))]


def _fits_look(frames: int, passing: int, confidence: float) -> Look:
    return Look(
        frames=frames, fits_up_to=passing, misses_from=frames + 1, fits_confidence=confidence, misses_confidence=0.0
    )


def _misses_look(frames: int, max_rate: float, confidence: float) -> Look:
    misses = _first_true(lambda count: rate_lower(count, frames, confidence=confidence) > max_rate, frames)
    return Look(frames=frames, fits_up_to=-1, misses_from=misses, fits_confidence=0.0, misses_confidence=confidence)


def _most_passing(frames: int, max_rate: float, confidence: float) -> int:
    return _first_true(lambda count: rate_upper(count, frames, confidence=confidence) > max_rate, frames) - 1


def _first_true(holds: Callable[[int], bool], most: int) -> int:
    """Find the smallest count in [0, most] for which a monotone condition holds, or most + 1."""
    low, high = 0, most + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _numbers(frames: int, misses: int, spells: int, gate: MissGate, look: Look) -> Proof:
    counted = misses if misses >= _HOPELESS * frames else spells
    needed = frames_needed(gate.max, confidence=look.fits_confidence, misses=misses) - frames
    return Proof(
        verdict="inconclusive",
        misses=misses,
        frames=frames,
        upper=rate_upper(misses, frames, confidence=look.fits_confidence),
        lower=rate_lower(counted, frames, confidence=look.misses_confidence),
        frames_needed=max(1, needed),
    )
