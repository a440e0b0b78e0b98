"""The process that measures: `python -m beltline.benchmarks.timing.worker JOB.json`.

It is fresh, pinned, alone on its machine (one lock for all measurements of a user), and does nothing between two
frames but note times. It reports its progress as JSON lines on stdout, only in the slack before a frame is due.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...export.artifacts import backends, runtime_packages
from ...export.contracts import Backend, Frame, Session, executing_device
from ...export.sessions import open_session
from ...inspection.base.errors import MeasurementError
from ...inspection.line.arrivals import schedule_ns
from ...targets.conditions import conditions
from ...targets.fingerprint import fingerprint
from ..proof.interim_looks import InterimLook
from ..proof.miss_rate import decide
from .disturbances import watching_disturbances
from .job import Job, read_frames, read_job
from .loop import AT_ONCE, offer
from .measurement import TIMES, Measurement, write_trace
from .pacing import SPIN_NS
from .process import Channel, alone, pin, require_parent, serve, undisturbed
from .timer import Timer, timer_holding

Rows = NDArray[np.int64]
"""Times of frames, int64 `[frames, 5]` in the order of `measurement.TIMES`."""

_TOUCHED_ROWS = 1_000_000
_WARMUP_NS = 500_000_000
_MOST_WARMUP_FRAMES = 2_000
_PROGRESS_NS = 500_000_000
_LEAD_NS = 10_000_000


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Rows noted so far and the counts that a look needs; the one thing in a measuring process that changes.

    Attributes:
        rows: Room for every frame of the run.
        end_ns: The run ends with the first frame decided later.
        deadline_ns: Response times above it are misses.
        looks: When the run may end early; empty: only at its end.
        count: Frames noted.
        misses: Late frames among them.
        bursts: Series of late frames among them; one ends when a whole trigger is in time.
        cameras: Frames that fall due together, >= 1.
    """

    rows: Rows
    end_ns: int
    deadline_ns: int = 0
    looks: Sequence[InterimLook] = ()
    count: int = 0
    misses: int = 0
    bursts: int = 0
    cameras: int = 1
    _in_time: int = 1 << 62
    _looks_by_frames: dict[int, InterimLook] = field(init=False)

    def __post_init__(self) -> None:
        """Index the looks."""
        self._looks_by_frames = {look.frames: look for look in self.looks}

    def note(
        self, due_ns: int, started_ns: int, engine_start_ns: int, engine_end_ns: int, decided_ns: int
    ) -> str | None:
        """Keep a frame's times; see `loop.Note`."""
        self.rows[self.count] = due_ns, started_ns, engine_start_ns, engine_end_ns, decided_ns
        self.count += 1
        late = decided_ns - due_ns > self.deadline_ns
        self.misses += late
        self.bursts += late and self._in_time >= self.cameras
        self._in_time = 0 if late else self._in_time + 1
        if look := self._looks_by_frames.get(self.count):
            outcome = decide(look, misses=self.misses, bursts=self.bursts)
            if outcome != "inconclusive":
                return outcome
        return "time" if decided_ns > self.end_ns else None

    def progress(self) -> dict[str, Any]:
        """Say how far the run is, JSON-able."""
        due_ns, *_, decided_ns = self.rows[self.count - 1].tolist()
        return {
            "frames": self.count,
            "of": len(self.rows),
            "misses": self.misses,
            "response_ms": (decided_ns - due_ns) / 1e6,
        }


def room_for(frames: int) -> Rows:
    """Make room for rows; the pages of the first million are touched, so that none faults while frames come."""
    rows: Rows = np.empty((frames, len(TIMES)), dtype=np.int64)
    rows[:_TOUCHED_ROWS] = 0
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a job needs before its engine is opened.

    Attributes:
        backend: Installed here.
        frames: To be rotated through.
        timer: Of this machine, which holds the job's arrivals; None where it is not needed, back to back.
    """

    backend: Backend
    frames: list[Frame]
    timer: Timer | None


@contextmanager
def prepared(job: Job, channel: Channel) -> Iterator[Prepared]:
    """Pin this process and keep other measurements off the machine until the block ends; for runs and soaks alike.

    Raises:
        MeasurementError: A CPU or the backend is not there, or the timer cannot offer frames as the belt brings them.
    """
    pin(job.cpus)
    with alone(lambda: channel({"waiting": "another measurement runs on this machine"})):
        backend, frames = _installed_backend(job.artifact.backend), read_frames(job.frames)
        timer = timer_holding(job.arrivals) if job.arrivals else None
        yield Prepared(backend=backend, frames=frames, timer=timer)


def run(job_file: str, channel: Channel) -> int:
    """Measure a job and write its trace; gives 0."""
    job = read_job(Path(job_file))
    with (
        prepared(job, channel) as given,
        open_session(given.backend, job.artifact, threads=job.threads) as session,
        undisturbed(),
    ):
        before = fingerprint(runtime_packages())
        cold = warm_up(session, given.frames, job)
        with watching_disturbances(job.cpus) as disturbances:
            rows, stopped = _measure(session, given, job, channel)
        notes = {**_notes(job, rows, stopped), "disturbances": disturbances, "runs_on": executing_device(session)}
    timer = asdict(given.timer) if given.timer else None
    write_trace(job.trace, _measurement(job, cold, rows, {**before, "run": {**notes, "timer": timer}}))
    return 0


def _notes(job: Job, rows: Rows, stopped: str) -> dict[str, Any]:
    return {
        "stopped": stopped,
        "frames": len(rows),
        "first_due_ns": int(rows[0, 0]),
        "deadline_ns": job.deadline_ns,
        "gate": job.gate.model_dump(),
        "looks": [asdict(look) for look in job.looks],
        "threads": job.threads,
        "pinned_cpus": list(job.cpus),
        "garbage_collection": "frozen and off",
        "conditions_after": conditions(),
    }


def warm_up(session: Session, frames: list[Frame], job: Job) -> Rows:
    """Run cold frames back to back until caches and clocks are warm: enough frames and half a second.

    A model so slow that this would take a quarter of the whole time is warm when that quarter is over.
    """
    begin_ns = time.perf_counter_ns()
    enough_ns, most_ns = begin_ns + _WARMUP_NS, begin_ns + int(job.seconds * 0.25e9)
    cold = Recorder(rows=room_for(max(_MOST_WARMUP_FRAMES, job.warmup_frames)), end_ns=most_ns)

    def note(*times: int) -> str | None:
        stop = cold.note(*times)
        return "warm" if cold.count >= job.warmup_frames and times[-1] > enough_ns else stop

    offer(session.infer, frames, repeat(AT_ONCE, len(cold.rows)), note=note, in_slack=lambda: None)
    return cold.rows[: cold.count]


def _measure(session: Session, given: Prepared, job: Job, channel: Channel) -> tuple[Rows, str]:
    """Offer frames as the job's mode says until a look decides, the limit of frames or the time is reached."""
    limit = job.looks[-1].frames
    rows = room_for(limit)
    first_ns = time.perf_counter_ns() + _LEAD_NS
    recorder = Recorder(
        rows=rows,
        end_ns=first_ns + int(job.seconds * 1e9),
        deadline_ns=job.deadline_ns,
        looks=job.looks if job.arrivals else (),
        cameras=job.arrivals.cameras if job.arrivals else 1,
    )
    stopped = offer(
        session.infer,
        given.frames,
        _schedule(job, limit, first_ns),
        note=recorder.note,
        in_slack=_reporting(recorder, channel),
        spin_ns=given.timer.spin_ns if given.timer else SPIN_NS,
    )
    return rows[: recorder.count], stopped or "frames"


def _schedule(job: Job, limit: int, first_ns: int) -> Iterable[int]:
    if job.arrivals is None:
        return repeat(AT_ONCE, limit)
    return islice(schedule_ns(job.arrivals, first_ns=first_ns + job.arrivals.jitter_ns), limit)


def _reporting(recorder: Recorder, channel: Channel) -> Callable[[], None]:
    parent, notified_ns = os.getppid(), 0

    def in_slack() -> None:
        nonlocal notified_ns
        now_ns = time.perf_counter_ns()
        if now_ns - notified_ns > _PROGRESS_NS:
            notified_ns = now_ns
            require_parent(parent)
            channel(recorder.progress())

    return in_slack


def _measurement(job: Job, cold: Rows, rows: Rows, facts: dict[str, Any]) -> Measurement:
    columns = np.ascontiguousarray(np.concatenate([cold, rows]).T)
    return Measurement(
        mode=job.mode,
        arrivals=job.arrivals,
        warmup=len(cold),
        scheduled_ns=columns[0],
        started_ns=columns[1],
        engine_start_ns=columns[2],
        engine_end_ns=columns[3],
        decided_ns=columns[4],
        fingerprint=facts,
        artifact_digest=job.artifact.digest,
    )


def _installed_backend(name: str) -> Backend:
    """Find the backend of an artifact.

    Raises:
        MeasurementError: It is not known or not installed here.
    """
    found = backends()
    if name not in found:
        msg = f"backend: wanted one of {', '.join(found)}, got {name!r}; was the plug-in that built it removed?"
        raise MeasurementError(msg)
    if missing := found[name].missing():
        raise MeasurementError(missing)
    return found[name]


if __name__ == "__main__":
    raise SystemExit(serve(sys.argv[1:], run))
