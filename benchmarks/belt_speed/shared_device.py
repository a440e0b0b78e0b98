"""Several belts on one device: their measured frames, sent through one queue that serves the belts in turn.

One engine works at a time, on one frame to its end; the belt that has waited longest comes next, and a belt that was
just served goes behind all others (round robin). So between two frames of a belt at most one of each other belt is
worked on, however many frames of it have piled up. A station with several inspectors takes its turns by the same rule.

Belts start when they start: how they lie to each other in time is nobody's choice. So the traces are replayed at many
phases, those among them at which the frames of all others fall due just before those of one belt (the critical instant
of C. L. Liu and J. W. Layland, "Scheduling algorithms for multiprogramming in a hard-real-time environment", J. ACM 20,
1973), each time beginning elsewhere in the traces; each belt is judged at its own worst phase.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...inspection.base.errors import MeasurementError
from ..proof.interim_looks import end_look
from ..proof.miss_rate import Proof, prove
from .backlog import Times
from .belt_speed import Case, mean_work_ns

HANDOVER_NS = 300_000
"""What a frame waits longer for another belt's engine than that engine works: a message and a thread that wakes up."""

PHASES = 32
_BEFORE_NS = 1_000
_CALM_TRIGGERS = 8

Fit = Literal["proven", "seen", "no"]
"""Whether belts fit together: the bound of each one's late frames is within its gate; only their share is; or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedBelt:
    """One of several belts at its worst phase, as predicted.

    Attributes:
        name: Of the belt.
        utilisation: Share of the time in which the device works for it.
        frames: Frames replayed.
        misses: Late ones among them.
        miss_upper: Upper bound of their share at its gate's confidence.
        burst_frames: So many of its frames one stall of the device makes late at most.
        deadline_ms: From trigger to decision.
        alone_ms: Slowest response where it has the device to itself.
        slowest_ms: Slowest response beside the others.
        fit: Of this belt.
    """

    name: str
    utilisation: float
    frames: int
    misses: int
    miss_upper: float
    burst_frames: int
    deadline_ms: float
    alone_ms: float
    slowest_ms: float
    fit: Fit


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedDevice:
    """Several belts on one device, as predicted.

    Attributes:
        belts: Each at its worst phase.
        phases: So many were tried.
        utilisation: Share of the time in which the device works for any of them.
        keeps_up: The mean work of all belts is surely below the time there is.
    """

    belts: tuple[SharedBelt, ...]
    phases: int
    utilisation: float
    keeps_up: bool

    @property
    def fit(self) -> Fit:
        """Of all belts together: that of the worst."""
        order: tuple[Fit, ...] = ("no", "seen", "proven")
        return min((belt.fit for belt in self.belts), key=order.index)


def share_device(cases: Mapping[str, Case], *, phases: int = PHASES, seed: int = 0) -> SharedDevice:
    """Predict belts that share a device, from a measured run of each on that device.

    Args:
        cases: By the belt's name; at least one. As long a time is replayed as the shortest of the runs took.
        phases: How many ways to lie to each other are tried, besides one critical instant for each belt; >= 0.
        seed: Of where in its trace each belt begins.

    Raises:
        MeasurementError: There is no belt.
    """
    if not cases:
        msg = "several belts: wanted at least one measured run, got none"
        raise MeasurementError(msg)
    belts = list(cases.values())
    work = [mean_work_ns(case) / case.interval_ns for case in belts]
    replayed = [_responses(belts, starts, seed + at) for at, starts in enumerate(_starts(belts, phases))]
    total = sum(_utilisation(case) for case in belts)
    found = [
        _belt(name, case, [each[place] for each in replayed], burst=_burst(belts, place), keeps_up=sum(work) < 1)
        for place, (name, case) in enumerate(cases.items())
    ]
    return SharedDevice(belts=tuple(found), phases=len(replayed), utilisation=total, keeps_up=sum(work) < 1)


def serve_in_turn(due: Sequence[Times], busy: Sequence[Times], *, handover_ns: int = 0) -> list[Times]:
    """Send the frames of several belts through one device, until one belt has no more.

    Args:
        due: When each belt's frames are due, ns, never falling, int64 `[frames]`, at least one.
        busy: How long each keeps the device busy, ns, likewise.
        handover_ns: Added to a frame that had to wait for another belt's.

    Returns:
        Response times of each belt's frames, as far as they came to be served, ns, int64.

    >>> left, right = np.array([0, 10, 20, 100]), np.array([1, 41, 81, 121])
    >>> [each.tolist() for each in serve_in_turn([left, right], [np.full(4, 20), np.full(4, 5)])]
    [[20, 35, 50, 20], [24, 9, 5]]
    """
    dues, works = [each.tolist() for each in due], [each.tolist() for each in busy]
    served: list[list[int]] = [[] for _ in due]
    line = [(each[0], place) for place, each in enumerate(dues)]
    heapify(line)
    free, last = min(line)[0], -1
    while True:
        ready, place = line[0]
        at = len(served[place])
        waited = free > ready and last not in (-1, place)
        free = max(free, ready) + works[place][at] + (handover_ns if waited else 0)
        last = place
        served[place].append(free - dues[place][at])
        if at + 1 == len(dues[place]):
            return [np.array(each, dtype=np.int64) for each in served]
        heapreplace(line, (max(free, dues[place][at + 1]), place))


def _starts(belts: Sequence[Case], phases: int) -> list[list[int]]:
    """Give when each belt begins, at every phase: the critical instants, then evenly spread ones.

    The spread is Kronecker's sequence with square roots of primes: no two belts move together.
    """
    critical = [[0 if place == victim else -_BEFORE_NS for place in range(len(belts))] for victim in range(len(belts))]
    roots = np.sqrt(_primes(len(belts)))
    spread = [
        [
            int(share * case.interval_ns * case.budget.arrivals.cameras)
            for share, case in zip(shares, belts, strict=True)
        ]
        for shares in np.mod(np.outer(np.arange(1, phases + 1), roots), 1.0)
    ]
    return critical + spread


def _primes(count: int) -> list[int]:
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % each for each in found):
            found.append(candidate)
        candidate += 1
    return found


def _responses(belts: Sequence[Case], starts: Sequence[int], seed: int) -> list[Times]:
    """Replay one phase, each trace from another of its triggers on; where it ends it begins again."""
    rng = np.random.default_rng(seed)
    due = [case.due - case.due[0] + start for case, start in zip(belts, starts, strict=True)]
    busy = []
    for case in belts:
        cameras = case.budget.arrivals.cameras
        busy.append(np.roll(case.busy, -cameras * int(rng.integers(max(1, case.busy.size // cameras)))))
    return serve_in_turn(due, busy, handover_ns=HANDOVER_NS)


def _belt(name: str, case: Case, responses: Sequence[Times], *, burst: int, keeps_up: bool) -> SharedBelt:
    deadline_ns = round(case.budget.deadline_ms * 1e6)
    late = [each > deadline_ns for each in responses]
    worst = max(range(len(responses)), key=lambda at: (late[at].mean(), responses[at].max()))
    proof = _proof(case, late[worst], burst)
    fit: Fit = "seen" if keeps_up and late[worst].mean() <= case.gate.max else "no"
    (alone,) = serve_in_turn([case.due], [case.busy])
    return SharedBelt(
        name=name,
        utilisation=_utilisation(case),
        frames=late[worst].size,
        misses=int(late[worst].sum()),
        miss_upper=proof.upper,
        burst_frames=burst,
        deadline_ms=case.budget.deadline_ms,
        alone_ms=float(alone.max()) / 1e6,
        slowest_ms=max(float(each.max()) for each in responses) / 1e6,
        fit="proven" if fit == "seen" and keeps_up and proof.verdict == "fits" else fit,
    )


def _proof(case: Case, late: NDArray[np.bool_], burst: int) -> Proof:
    looks = end_look(case.gate, frames=late.size, burst_frames=burst)
    return prove(late, gate=case.gate, looks=looks, cameras=case.budget.arrivals.cameras)


def _burst(belts: Sequence[Case], place: int) -> int:
    """Count the frames of a belt that one stall of the device makes late at most: it is sent through the same queue.

    All frames take their median time but one, in the middle, of this or another belt, that takes the stall longer.
    """
    case = belts[place]
    busy = sum(_utilisation(each) for each in belts)
    if busy >= 1:
        return case.due.size
    stall_ns = case.gate.stall_ms * 1e6
    span_ns = stall_ns / (1 - busy) + _CALM_TRIGGERS * max(
        each.interval_ns * each.budget.arrivals.cameras for each in belts
    )
    return max(case.budget.arrivals.cameras, *(_late_after(belts, hit, span_ns, place) for hit in range(len(belts))))


def _late_after(belts: Sequence[Case], hit: int, span_ns: float, place: int) -> int:
    """Let the device stall on a frame of the belt `hit`, just before which everyone else's come."""
    due, busy = [], []
    for at, case in enumerate(belts):
        triggers = int(span_ns / (case.interval_ns * case.budget.arrivals.cameras)) + _CALM_TRIGGERS
        moments = np.arange(triggers, dtype=np.int64) * round(case.interval_ns * case.budget.arrivals.cameras)
        due.append(np.repeat(moments, case.budget.arrivals.cameras) + (0 if at == hit else _BEFORE_NS))
        work = np.full(due[-1].size, np.median(case.busy), dtype=np.int64)
        work[0] += round(belts[place].gate.stall_ms * 1e6) if at == hit else 0
        busy.append(work)
    found = serve_in_turn(due, busy, handover_ns=HANDOVER_NS)[place]
    return int((found > round(belts[place].budget.deadline_ms * 1e6)).sum())


def _utilisation(case: Case) -> float:
    return float(case.busy.mean()) / case.interval_ns
