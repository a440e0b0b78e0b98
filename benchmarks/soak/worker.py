"""The process that measures a soak: `python -m beltline.benchmarks.soak.worker JOB.json`.

The same loop as in every measurement; only its schedule has no end, and its times go to a recorder (`recorder`).
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from ...export.artifacts import backend_packages, runtime_packages
from ...export.contracts import Frame, Session
from ...export.sessions import open_session
from ...inspection.base.errors import MeasurementError
from ...inspection.base.storage import write_json
from ...inspection.line.arrivals import Arrivals, schedule_ns
from ...targets.conditions import conditions, counters
from ...targets.fingerprint import BASE, fingerprint
from ..timing.job import Job, read_job
from ..timing.loop import offer
from ..timing.process import Channel, require_parent, serve, undisturbed
from ..timing.timer import Timer
from ..timing.worker import prepared, warm_up
from .folder import SoakPlan, already_s, cold_file, held, next_session, session_folder, settle_plan
from .recorder import Orders
from .segment import Rows, Segment, SegmentFacts, write_segment

_PIPE_BYTES = 1 << 20
"""Most that Linux gives to everyone (/proc/sys/fs/pipe-max-size): 26,000 frames until the recorder must have looked."""

_ATOMIC_BYTES = 4_000
"""A pipe takes up to 4,096 bytes whole or not at all (PIPE_BUF); this many rows are 100."""

_MOST_WAITING_BYTES = 64 << 20
_WATCH_PARENT_EVERY = 1 << 10

_PACK = struct.Struct("=5q").pack


def start_recorder(orders: Orders, output: int) -> tuple[int, subprocess.Popen[bytes]]:
    """Begin a session: make its folder and start the process that writes it down; it ends when the pipe is closed.

    Args:
        orders: What it is to do.
        output: Descriptor that it reports its progress to.

    Returns:
        The pipe's end for writing, which never blocks, and the process.
    """
    session_folder(Path(orders.folder), orders.session).mkdir()
    source, handle = os.pipe()
    with suppress(OSError):  # the user's share of pipe memory is used up: a smaller one does, if the disk keeps up
        fcntl.fcntl(handle, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    os.set_blocking(handle, False)
    argv = [sys.executable, "-m", f"{__package__}.recorder", json.dumps(asdict(orders))]
    process = subprocess.Popen(argv, stdin=source, stdout=output)
    os.close(source)
    return handle, process


@dataclass(slots=True, kw_only=True)
class PipeSink:
    """Where a soak's loop leaves its times; see `loop.Note`.

    Attributes:
        handle: The pipe's end for writing.
        end_ns: The soak ends with the first frame decided later.
        parent: The process that ordered the soak; where it is gone, the soak ends.
        count: Frames noted.
    """

    handle: int
    end_ns: int
    parent: int
    count: int = 0
    _waiting: bytearray = field(default_factory=bytearray)

    def note(
        self, due_ns: int, started_ns: int, engine_start_ns: int, engine_end_ns: int, decided_ns: int
    ) -> str | None:
        """Hand a frame's times over; where the pipe is full they wait here, and none is lost."""
        row = _PACK(due_ns, started_ns, engine_start_ns, engine_end_ns, decided_ns)
        self.count += 1
        try:
            if self._waiting:
                self._waiting += row
                self._hand_over()
            else:
                os.write(self.handle, row)
        except BlockingIOError:
            self._waiting += row
        except BrokenPipeError:
            return "recorder"
        if not self.count % _WATCH_PARENT_EVERY:
            self.watch_parent()
        return "time" if decided_ns > self.end_ns else None

    def watch_parent(self) -> None:
        """Stop where nobody waits for the soak any more.

        Raises:
            MeasurementError: The process that ordered it is gone.
        """
        require_parent(self.parent)

    def finish(self) -> None:
        """Hand over what still waits and close the pipe."""
        os.set_blocking(self.handle, True)
        with suppress(BrokenPipeError):
            while self._waiting:
                del self._waiting[: os.write(self.handle, self._waiting[:_ATOMIC_BYTES])]
        os.close(self.handle)

    def _hand_over(self) -> None:
        try:
            del self._waiting[: os.write(self.handle, self._waiting[:_ATOMIC_BYTES])]
        except BlockingIOError:
            if len(self._waiting) > _MOST_WAITING_BYTES:
                msg = f"the disk is too slow: {len(self._waiting) >> 20} MiB of times wait to be written; take another"
                raise MeasurementError(msg) from None


_LEAD_NS = 10_000_000
_PARENT_EVERY_NS = 500_000_000


def run(job_file: str, channel: Channel) -> int:
    """Go on with a soak until its time is reached.

    Args:
        job_file: What to do; its `seconds` are those of the whole soak, its `trace` is the soak's folder.
        channel: Gets progress facts, also from the recorder.

    Returns:
        The recorder's exit code; 0 where there is nothing left to do.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever ordered the soak takes Ctrl-C and ends this process
    job = read_job(Path(job_file))
    with prepared(job, channel) as given:
        if job.arrivals is None or given.timer is None:
            msg = "a soak runs at line rate, got a job without arrivals; give the line's"
            raise MeasurementError(msg)
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
        handle, recorder = start_recorder(orders, channel.handle)
        sink = PipeSink(handle=handle, end_ns=0, parent=os.getppid())
        try:
            with open_session(given.backend, job.artifact, threads=job.threads) as session, undisturbed():
                _note_start(job, orders, warm_up(session, given.frames, job), given.timer)
                sink.end_ns = time.perf_counter_ns() + int(left_s * 1e9) + _LEAD_NS
                _soak(session, given.frames, job.arrivals, sink, given.timer)
        finally:
            sink.finish()
            code = recorder.wait()
        return _ended(code)


def _plan(job: Job, arrivals: Arrivals) -> SoakPlan:
    facts = fingerprint((*BASE, *backend_packages(job.artifact.backend)))
    lasting = {name: value for name, value in facts.items() if name != "conditions"}
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
    """Pass the recorder's exit code on; it has reported its own error, unless it was killed."""
    if code < 0:
        msg = f"the process that writes the soak down was ended by signal {-code}; start the same soak again to go on"
        raise MeasurementError(msg)
    return code


if __name__ == "__main__":
    raise SystemExit(serve(sys.argv[1:], run))
