"""The process that measures: `python -m beltline.benchmarks.timing.worker JOB.json`.

It is fresh, pinned, alone on its machine (one lock for all measurements of a user), and does nothing between two
frames but note times. It tells its progress as JSON lines on stdout, only in the slack before a frame is due.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np

from ...export.artifacts import backends, runtime_packages
from ...export.contracts import Backend, Frame, Session, executing_device
from ...inspection.base.errors import BeltlineError, MeasurementError
from ...inspection.line.arrivals import schedule_ns
from ...targets.conditions import conditions
from ...targets.fingerprint import fingerprint
from .disturbances import watching_disturbances
from .isolation import alone, pin, require_parent, undisturbed
from .job import Job, read_frames, read_job
from .loop import AT_ONCE, offer
from .measurement import Measurement
from .pacing import SPIN_NS
from .progress import BAD_INPUT, Tell, channel, error_facts
from .recording import Recorder, Rows, room_for
from .timer import Timer, timer_holding
from .trace import write_trace

_WARMUP_NS = 500_000_000
_MOST_WARMUP_FRAMES = 2_000
_PROGRESS_NS = 500_000_000
_LEAD_NS = 10_000_000


def main(argv: list[str]) -> int:
    """Run one job.

    Args:
        argv: The job file.

    Returns:
        0, or 2 after an error that a user can mend; it is told on stdout as `{"error": ...}`.
    """
    notify = channel()
    try:
        (job_file,) = argv
        run(read_job(Path(job_file)), notify)
    except BeltlineError as error:
        notify(error_facts(error))
        return BAD_INPUT
    return 0


def run(job: Job, notify: Tell) -> None:
    """Measure a job and write its trace; `tell` gets progress facts."""
    pin(job.cpus)
    with alone(lambda: notify({"waiting": "another measurement runs on this machine"})):
        backend: Backend = installed_backend(job.artifact.backend)
        frames = read_frames(job.frames)
        timer = timer_holding(job.arrivals) if job.arrivals else None
        with backend.load(job.artifact, threads=job.threads) as session, undisturbed():
            before = fingerprint(runtime_packages())
            cold = warm_up(session, frames, job)
            with watching_disturbances(job.cpus) as disturbances:
                rows, stopped = _measure(session, frames, job, timer, notify)
    found = {"timer": asdict(timer) if timer else None, "disturbances": disturbances}
    notes = {**_notes(job, rows, stopped), **found, "runs_on": executing_device(session)}
    write_trace(job.trace, _measurement(job, cold, rows, {**before, "run": notes}))


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


def _measure(session: Session, frames: list[Frame], job: Job, timer: Timer | None, notify: Tell) -> tuple[Rows, str]:
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
        frames,
        _schedule(job, limit, first_ns),
        note=recorder.note,
        in_slack=_reporting(recorder, notify),
        spin_ns=timer.spin_ns if timer else SPIN_NS,
    )
    return rows[: recorder.count], stopped or "frames"


def _schedule(job: Job, limit: int, first_ns: int) -> Iterable[int]:
    if job.arrivals is None:
        return repeat(AT_ONCE, limit)
    return islice(schedule_ns(job.arrivals, first_ns=first_ns + job.arrivals.jitter_ns), limit)


def _reporting(recorder: Recorder, notify: Tell) -> Callable[[], None]:
    parent, notified_ns = os.getppid(), 0

    def in_slack() -> None:
        nonlocal notified_ns
        now_ns = time.perf_counter_ns()
        if now_ns - notified_ns > _PROGRESS_NS:
            notified_ns = now_ns
            require_parent(parent)
            notify(recorder.progress())

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


def installed_backend(name: str) -> Backend:
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
    raise SystemExit(main(sys.argv[1:]))
