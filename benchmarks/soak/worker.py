"""The process that measures a soak: `python -m beltline.benchmarks.soak.worker JOB.json`.

The same loop as in every measurement; only its schedule has no end, and its times go to a recorder (`recorder`).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from ...export.artifacts import runtime_packages
from ...export.contracts import Frame, Session
from ...inspection.base.errors import BeltlineError, MeasurementError
from ...inspection.base.storage import write_json
from ...inspection.line.arrivals import Arrivals, schedule_ns
from ...targets.conditions import conditions, counters
from ...targets.fingerprint import fingerprint
from ..timing.isolation import alone, pin, undisturbed
from ..timing.job import Job, read_frames, read_job
from ..timing.loop import offer
from ..timing.progress import BAD_INPUT, Tell, channel, error_facts
from ..timing.timer import Timer, timer_holding
from ..timing.worker import installed_backend, warm_up
from .folder import already_s, cold_file, held, next_session, session_folder
from .plan import SoakPlan, settle_plan
from .recorder import Orders
from .segment import Rows, Segment, SegmentFacts, write_segment
from .sink import PipeSink, start_recorder

_LEAD_NS = 10_000_000
_PARENT_EVERY_NS = 500_000_000


def main(argv: list[str]) -> int:
    """Run one job; its `seconds` are those of the whole soak, its `trace` is the soak's folder.

    Args:
        argv: The job file.

    Returns:
        0, or 2 after an error that a user can mend; it is told on stdout as `{"error": ...}`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever ordered the soak takes Ctrl-C and ends this process
    output = os.dup(1)
    notify = channel()
    try:
        (job_file,) = argv
        return run(read_job(Path(job_file)), notify, output)
    except BeltlineError as error:
        notify(error_facts(error))
        return BAD_INPUT


def run(job: Job, notify: Tell, output: int) -> int:
    """Go on with a soak until its time is reached.

    Args:
        job: What to do.
        notify: Gets progress facts.
        output: Where the recorder tells its own.

    Returns:
        The recorder's exit code; 0 where there is nothing left to do.
    """
    if job.arrivals is None:
        msg = "a soak runs at line rate, got a job without arrivals; give the line's"
        raise MeasurementError(msg)
    pin(job.cpus)
    with alone(lambda: notify({"waiting": "another measurement runs on this machine"})):
        backend, frames = installed_backend(job.artifact.backend), read_frames(job.frames)
        timer = timer_holding(job.arrivals)
        plan = _plan(job, job.arrivals)
        index, left_s = _begin(job, plan)
        if left_s <= 1 / job.arrivals.frames_per_s:
            return 0
        orders = Orders(
            folder=str(job.trace),
            soak=plan.digest,
            session=index,
            deadline_ns=job.deadline_ns,
            keep_off=job.cpus,
        )
        handle, recorder = start_recorder(orders, output)
        sink = PipeSink(handle=handle, end_ns=0, parent=os.getppid())
        try:
            with backend.load(job.artifact, threads=job.threads) as session, undisturbed():
                _note_start(job, orders, warm_up(session, frames, job), timer)
                sink.end_ns = time.perf_counter_ns() + int(left_s * 1e9) + _LEAD_NS
                _soak(session, frames, job.arrivals, sink, timer)
        finally:
            sink.finish()
            code = recorder.wait()
        return _ended(code)


def _plan(job: Job, arrivals: Arrivals) -> SoakPlan:
    lasting = {name: value for name, value in fingerprint(runtime_packages()).items() if name != "conditions"}
    return SoakPlan(
        artifact_digest=job.artifact.digest,
        backend=job.artifact.backend,
        arrivals=arrivals,
        threads=job.threads,
        cpus=job.cpus,
        device=lasting,
    )


def _begin(job: Job, plan: SoakPlan) -> tuple[int, float]:
    """Make sure that the folder holds this soak; give the number of the next session and the seconds left to it."""
    job.trace.mkdir(parents=True, exist_ok=True)
    with held(job.trace):
        settle_plan(job.trace, plan)
        return next_session(job.trace), job.seconds - already_s(job.trace)


def _note_start(job: Job, orders: Orders, cold: Rows, timer: Timer) -> None:
    """Write what a session begins with; the belt starts right after."""
    session, now_s = session_folder(job.trace, orders.session), round(time.time(), 3)
    facts = SegmentFacts(
        soak=orders.soak,
        session=orders.session,
        index=0,
        first_frame=0,
        unix_s=now_s,
        conditions=conditions(),
        counters=counters(cpus=job.cpus),
    )
    if len(cold):
        write_segment(cold_file(session), Segment(facts=facts, rows=cold))
    start = {
        "unix_s": now_s,
        "began": datetime.fromtimestamp(now_s, tz=timezone.utc).isoformat(timespec="seconds"),
        "fingerprint": fingerprint(runtime_packages()),
        "timer": asdict(timer),
        "garbage_collection": "frozen and off",
    }
    write_json(session / "session.json", start)


def _soak(session: Session, frames: list[Frame], arrivals: Arrivals, sink: PipeSink, timer: Timer) -> None:
    looked_ns = 0

    def in_slack() -> None:
        nonlocal looked_ns
        now_ns = time.perf_counter_ns()
        if now_ns - looked_ns > _PARENT_EVERY_NS:
            looked_ns = now_ns
            sink.watch_parent()

    first_ns = time.perf_counter_ns() + _LEAD_NS + arrivals.jitter_ns
    due = schedule_ns(arrivals, first_ns=first_ns)
    offer(session.infer, frames, due, note=sink.note, in_slack=in_slack, spin_ns=timer.spin_ns)


def _ended(code: int) -> int:
    """Pass the recorder's exit code on; it has told its own error, unless it was killed."""
    if code < 0:
        msg = f"the process that writes the soak down was ended by signal {-code}; start the same soak again to go on"
        raise MeasurementError(msg)
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
