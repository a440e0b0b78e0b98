"""The process that measures: `python -m beltline.benchmarks.worker JOB.json`.

It is fresh, pinned, alone on its machine (one lock for all measurements of a user), and does nothing between two
frames but note times. It tells its progress as JSON lines on stdout, only in the slack before a frame is due.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..export.contracts import Backend, Frame, Session
from ..inspection.errors import BeltlineError, MeasurementError
from ..inspection.plugins import plugins
from ..targets.fingerprint import conditions, fingerprint
from .job import Job, read_frames, read_job
from .measurement import Measurement
from .pacing import belt_schedule_ns, wait_until
from .proof import decide
from .trace import TIMES, write_trace

_WARMUP_NS = 500_000_000
_MOST_WARMUP_FRAMES = 2_000
_PROGRESS_NS = 500_000_000
_SLACK_NS = 1_000_000
_LONGEST_MESSAGE = 3_000
_BAD_INPUT = 2

Rows = NDArray[np.int64]
"""Times of frames, int64 `[frames, 5]` in the order of `trace.TIMES`."""


def main(argv: list[str]) -> int:
    """Run one job.

    Args:
        argv: The job file.

    Returns:
        0, or 2 after an error that a user can mend; it is told on stdout as `{"error": ...}`.
    """
    tell = _channel()
    try:
        (job_file,) = argv
        run(read_job(Path(job_file)), tell)
    except BeltlineError as error:
        tell({"error": str(error)[:_LONGEST_MESSAGE], "kind": type(error).__name__})
        return _BAD_INPUT
    return 0


def run(job: Job, tell: Callable[[dict[str, Any]], None]) -> None:
    """Measure a job and write its trace; `tell` gets progress facts."""
    _pin(job.cpus)
    with _alone(tell):
        backend: Backend = _backend(job.artifact.backend)
        frames = read_frames(job.frames)
        with backend.load(job.artifact, threads=job.threads) as session, _undisturbed():
            before = fingerprint()
            cold = _warm_up(session, frames, job)
            rows, stopped = _measure(session, frames, job, tell)
    notes = {
        "stopped": stopped,
        "deadline_ns": job.deadline_ns,
        "gate": job.gate.model_dump(),
        "looks": [asdict(look) for look in job.looks],
        "threads": job.threads,
        "pinned_cpus": list(job.cpus),
        "garbage_collection": "frozen and off",
        "conditions_after": conditions(),
    }
    write_trace(job.trace, _measurement(job, cold, rows, {**before, "run": notes}))


def _warm_up(session: Session, frames: list[Frame], job: Job) -> Rows:
    """Run cold frames back to back until caches and clocks are warm: enough frames and half a second.

    A model so slow that this would take a quarter of the whole time is warm when that quarter is over.
    """
    rows: Rows = np.zeros((max(_MOST_WARMUP_FRAMES, job.warmup_frames), len(TIMES)), dtype=np.int64)
    begin_ns = now_ns = time.perf_counter_ns()
    count = 0
    while count < len(rows) and (count < job.warmup_frames or now_ns - begin_ns < _WARMUP_NS):
        start_ns = time.perf_counter_ns()
        decision = session.infer(frames[count % len(frames)])
        now_ns = time.perf_counter_ns()
        rows[count] = start_ns, start_ns, decision.engine_start_ns, decision.engine_end_ns, now_ns
        count += 1
        if now_ns - begin_ns > job.seconds * 0.25e9:
            break
    return rows[:count]


def _measure(
    session: Session, frames: list[Frame], job: Job, tell: Callable[[dict[str, Any]], None]
) -> tuple[Rows, str]:
    """Offer frames as the job's mode says until a look decides, the limit of frames or the time is reached."""
    limit = job.looks[-1].frames
    belt = job.mode == "belt"
    looks = {look.frames: look for look in job.looks} if belt else {}
    rows: Rows = np.zeros((limit, len(TIMES)), dtype=np.int64)
    first_ns = time.perf_counter_ns() + job.period_ns
    due = belt_schedule_ns(limit, period_ns=max(1, job.period_ns), first_ns=first_ns).tolist()
    end_ns = first_ns + int(job.seconds * 1e9)
    parent, told_ns, misses, spells, was_late = os.getppid(), 0, 0, 0, False
    for index in range(limit):
        start_ns = wait_until(due[index]) if belt else time.perf_counter_ns()
        due_ns = due[index] if belt else start_ns
        decision = session.infer(frames[index % len(frames)])
        now_ns = time.perf_counter_ns()
        rows[index] = due_ns, start_ns, decision.engine_start_ns, decision.engine_end_ns, now_ns
        late = now_ns - due_ns > job.deadline_ns
        misses, spells, was_late = misses + late, spells + (late and not was_late), late
        count = index + 1
        if look := looks.get(count):
            outcome = decide(look, misses=misses, spells=spells)
            if outcome != "inconclusive":
                return rows[:count], outcome
        if now_ns > end_ns:
            return rows[:count], "time"
        slack = count < limit and (not belt or due[count] - now_ns > _SLACK_NS)
        if now_ns - told_ns > _PROGRESS_NS and slack:
            told_ns = now_ns
            _require_parent(parent)
            tell({"frames": count, "of": limit, "misses": misses, "response_ms": (now_ns - due_ns) / 1e6})
    return rows, "frames"


def _measurement(job: Job, cold: Rows, rows: Rows, facts: dict[str, Any]) -> Measurement:
    columns = np.ascontiguousarray(np.concatenate([cold, rows]).T)
    return Measurement(
        mode=job.mode,
        period_ns=job.period_ns,
        warmup=len(cold),
        scheduled_ns=columns[0],
        started_ns=columns[1],
        engine_start_ns=columns[2],
        engine_end_ns=columns[3],
        decided_ns=columns[4],
        fingerprint=facts,
        artifact_digest=job.artifact.digest,
    )


def _backend(name: str) -> Backend:
    found = plugins("export.backends", "BACKEND")
    if name not in found:
        msg = f"backend: wanted one of {', '.join(found)}, got {name!r}; was the plug-in that built it removed?"
        raise MeasurementError(msg)
    if missing := found[name].missing():
        raise MeasurementError(missing)
    backend: Backend = found[name]
    return backend


def _pin(cpus: tuple[int, ...]) -> None:
    """Keep this process and every thread that it starts on these CPUs."""
    try:
        os.sched_setaffinity(0, cpus)
    except (OSError, ValueError) as error:
        msg = f"cannot pin to CPUs {list(cpus)}: {error}; this process may use {sorted(os.sched_getaffinity(0))}"
        raise MeasurementError(msg) from error


@contextmanager
def _alone(tell: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Hold the lock of measurements: two at a time would disturb each other.

    The kernel frees it when this process ends, however it ends.
    """
    path = Path(tempfile.gettempdir()) / f"beltline-{os.getuid()}.measuring.lock"
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell({"waiting": "another measurement runs on this machine"})
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep the garbage collector out of the measurement."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def _require_parent(parent: int) -> None:
    if os.getppid() != parent:
        msg = "the process that ordered this measurement is gone; stopped"
        raise MeasurementError(msg)


def _channel() -> Callable[[dict[str, Any]], None]:
    """Take stdout for progress lines and send whatever else writes there (native libraries) to stderr.

    A reader that is slow loses lines; the measurement never waits for it.
    """
    handle = os.dup(1)
    os.dup2(2, 1)
    os.set_blocking(handle, False)

    def tell(facts: dict[str, Any]) -> None:
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(handle, (json.dumps(facts) + "\n").encode())

    return tell


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
