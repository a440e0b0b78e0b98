"""What became of every frame, counted: offered = answered + late + refused + faulty + under way, always."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

from .outcomes import NOT_ALIGNED, Outcome

_LAST_INCIDENTS = 100
_MOST_PRODUCTS = 20
_OTHERS = "others"
_NOTED_COUNTS = frozenset(10**power for power in range(18))


LATENCY_MS = tuple(round(0.05 * 1.12**step, 4) for step in range(120))
"""Upper edges in ms, each 12 % above the one before: from 0.05 ms to half a minute."""

SCORES = tuple(step / 50 for step in range(1, 51))


@dataclass(slots=True, kw_only=True)
class Histogram:
    """Numbers counted into buckets; one thread writes, under the lock of whoever owns it.

    Attributes:
        edges: Upper edges, inclusive, ascending; one more bucket holds what is above them all.
        counts: One for each bucket.
        total: Sum of the numbers.
    """

    edges: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        """Start from nothing where no counts are given."""
        self.counts = self.counts or [0] * (len(self.edges) + 1)

    @property
    def count(self) -> int:
        """How many numbers there were."""
        return sum(self.counts)

    def add(self, value: float) -> None:
        """Count a number."""
        self.counts[bisect_left(self.edges, value)] += 1
        self.total += value

    def copy(self) -> Histogram:
        """Give the same counts, apart from this one."""
        return Histogram(edges=self.edges, counts=list(self.counts), total=self.total)

    def quantile(self, share: float) -> float | None:
        """Give the upper edge of the bucket that a quantile lies in; infinite above the last; None without numbers.

        >>> latency = Histogram(edges=(1.0, 2.0, 4.0))
        >>> for value in (0.5, 1.5, 1.7, 3.0):
        ...     latency.add(value)
        >>> latency.quantile(0.5), latency.quantile(0.99)
        (2.0, 4.0)
        """
        left = share * self.count
        if not self.count:
            return None
        for edge, count in zip((*self.edges, float("inf")), self.counts, strict=True):
            left -= count
            if left <= 0:
                return edge
        return float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that people should know of: a restart, a switch, a source that is gone.

    Attributes:
        number: Ascending from 1; older ones than the last hundred are gone.
        unix_ns: When, since 1970, UTC.
        part: What it happened to, such as `engine` or the name of a source.
        text: One sentence.
    """

    number: int
    unix_ns: int
    part: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """All counts at one moment.

    Attributes:
        offered: Frames that came in, broken ones included.
        answered: Decided by the model in time.
        late: Answered to the safe side at their deadline.
        refused: Answered to the safe side at once: no room, or the engine could not take them.
        faulty: Answered to the safe side because the photograph cannot be read.
        passed: Parts let through, of all of these.
        rejected: Parts thrown out, of all of these.
        without_reference: Refused frames whose product has no reference, or one of another size.
        not_aligned: Answered frames that their reference could not be moved onto; all were rejected.
        waiting: Frames in the queue now.
        most_waiting: The most there ever were.
        by_source: Frames offered by each source.
        restarts: By part: how often the watchdog started it anew.
        dropped: By outlet: outcomes that it did not take in time or failed on.
        refused_requests: By kind, see `web.guard.Refusal` (also `connections` and `bodies`).
        switches: How often another bundle was put to work.
        rollbacks: How often the station went back by itself.
        bundle: Version at work.
        started_unix_ns: When counting began.
        latency_ms: From frame to decision, of answered and late frames.
        engine_ms: The engine's own time on a frame.
        scores: Of answered frames.
        incidents: The last ones, oldest first.
    """

    offered: int
    answered: int
    late: int
    refused: int
    faulty: int
    passed: int
    rejected: int
    without_reference: int
    not_aligned: int
    waiting: int
    most_waiting: int
    by_source: Mapping[str, int]
    restarts: Mapping[str, int]
    dropped: Mapping[str, int]
    refused_requests: Mapping[str, int]
    switches: int
    rollbacks: int
    bundle: str
    started_unix_ns: int
    latency_ms: Histogram
    engine_ms: Histogram
    scores: Histogram
    incidents: tuple[Incident, ...]

    @property
    def under_way(self) -> int:
        """Frames without an answer yet; no frame is lost while this falls to 0 when none comes any more."""
        return self.offered - self.answered - self.late - self.refused - self.faulty


class Counters:
    """The counts of one station; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sources: Counter[str] = Counter()
        self._standings: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._restarts: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._events: Counter[str] = Counter()
        self._waiting = self._most_waiting = 0
        self._bundle = ""
        self._started_unix_ns = time.time_ns()
        self._latency_ms, self._engine_ms = Histogram(edges=LATENCY_MS), Histogram(edges=LATENCY_MS)
        self._scores = Histogram(edges=SCORES)
        self._incidents: deque[Incident] = deque(maxlen=_LAST_INCIDENTS)

    def note_offered(self, source: str) -> None:
        """Count a frame in."""
        with self._lock:
            self._sources[source] += 1

    def note_outcome(self, outcome: Outcome) -> None:
        """Count a frame out."""
        with self._lock:
            self._standings[outcome.standing] += 1
            self._answers[outcome.answer] += 1
            if outcome.standing in ("answered", "late"):
                self._latency_ms.add(outcome.latency_ms)
            if outcome.score is not None:
                self._scores.add(outcome.score)
            if outcome.engine_ms is not None:
                self._engine_ms.add(outcome.engine_ms)
            self._events["not aligned"] += outcome.because == NOT_ALIGNED
            count = self._events["not aligned"]
        if outcome.because == NOT_ALIGNED and count in _NOTED_COUNTS:
            which = f"the reference of {outcome.product or 'the part'} could not be moved onto {count:,} frames so far"
            self.note_incident("reference", f"{which}, the last is {outcome.name!r}: another product or another view?")

    def note_waiting(self, frames: int) -> None:
        """Say how many frames are in the queue now."""
        with self._lock:
            self._waiting = frames
            self._most_waiting = max(self._most_waiting, frames)

    def note_dropped(self, outlet: str) -> None:
        """Count an outcome that an outlet did not take."""
        with self._lock:
            self._dropped[outlet] += 1

    def note_refused_request(self, kind: str, peer: str) -> None:
        """Count a request or connection that was refused; the 1st, 10th, 100th, ... of a kind is an incident."""
        with self._lock:
            self._refused[kind] += 1
            count = self._refused[kind]
        if count in _NOTED_COUNTS:
            self.note_incident("http", f"refused {count:,} requests so far ({kind}), the last from {peer[:60]}")

    def note_without_reference(self, product: str, why: str) -> None:
        """Count a frame that there is no reference for; the 1st, 10th, 100th, ... of a product is an incident."""
        with self._lock:
            known = product in self._unknown or len(self._unknown) < _MOST_PRODUCTS
            key = product if known else _OTHERS
            self._unknown[key] += 1
            count = self._unknown[key]
        if count in _NOTED_COUNTS:
            self.note_incident("reference", f"{count:,} frames so far without a reference: {why}")

    def note_restart(self, part: str, text: str) -> None:
        """Count a part that was started anew, and say why."""
        with self._lock:
            self._restarts[part] += 1
        self.note_incident(part, text)

    def note_switch(self, bundle: str, text: str, *, back: bool = False) -> None:
        """Say which version works now, and why."""
        with self._lock:
            self._bundle = bundle
            self._events["rollbacks" if back else "switches"] += 1
        self.note_incident("bundle", text)

    def note_bundle(self, bundle: str) -> None:
        """Say which version works from the start."""
        with self._lock:
            self._bundle = bundle

    def note_incident(self, part: str, text: str) -> None:
        """Keep one sentence for people."""
        with self._lock:
            self._events["incidents"] += 1
            self._incidents.append(
                Incident(number=self._events["incidents"], unix_ns=time.time_ns(), part=part, text=text)
            )

    def snapshot(self) -> Tally:
        """Give all counts of one moment."""
        with self._lock:
            return Tally(
                offered=self._sources.total(),
                answered=self._standings["answered"],
                late=self._standings["late"],
                refused=self._standings["refused"],
                faulty=self._standings["faulty"],
                passed=self._answers["pass"],
                rejected=self._answers["reject"],
                without_reference=self._unknown.total(),
                not_aligned=self._events["not aligned"],
                waiting=self._waiting,
                most_waiting=self._most_waiting,
                by_source=dict(self._sources),
                restarts=dict(self._restarts),
                dropped=dict(self._dropped),
                refused_requests=dict(self._refused),
                switches=self._events["switches"],
                rollbacks=self._events["rollbacks"],
                bundle=self._bundle,
                started_unix_ns=self._started_unix_ns,
                latency_ms=self._latency_ms.copy(),
                engine_ms=self._engine_ms.copy(),
                scores=self._scores.copy(),
                incidents=tuple(self._incidents),
            )
