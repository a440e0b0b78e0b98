"""Order a measurement: a fresh process runs the artifact's frames and leaves a trace; see `worker`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from ...export.contracts import Artifact, Frame
from ...inspection.base.errors import BeltlineError, MeasurementError
from ...inspection.line.arrivals import Arrivals
from ...inspection.line.gates import MissGate
from ...inspection.line.stalls import burst_frames, planned_utilisation
from ...targets.host import Ended, Host, LocalHost
from ...targets.target import Target
from ..proof.interim_looks import InterimLook, end_look, plan_looks
from ..proof.late_bursts import allowed_burst_frames
from ..proof.miss_rate import Proof, prove
from .job import Job, write_frames, write_job
from .measurement import Measurement, read_trace

_FIRST_LOOK_SECONDS = 2.0
_FIRST_LOOK_FRAMES = 16

Progress = Callable[[dict[str, Any]], None]
"""Gets facts such as `{"frames": 400, "of": 5296, "misses": 0, "response_ms": 2.1}` or `{"waiting": "..."}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureLimits:
    """How long a measurement may last.

    Attributes:
        frames: Most judged frames, >= 1.
        seconds: Longest duration after warming up, > 0.
        warmup_frames: Cold frames that are kept apart, at least; warming up also lasts half a second at least.
    """

    frames: int = 20_000
    seconds: float = 600.0
    warmup_frames: int = 20

    def __post_init__(self) -> None:
        """Refuse limits that no run can keep."""
        if self.frames < 1 or self.seconds <= 0 or self.warmup_frames < 0:
            msg = f"limits: wanted frames >= 1, seconds > 0 and warmup_frames >= 0, got {self}"
            raise MeasurementError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a line asks of an artifact, and how long that may be measured.

    Attributes:
        arrivals: When frames are due (open loop).
        deadline_ms: Decisions that come later are misses; > 0.
        gate: Allowed miss rate and confidence: they decide when the run may stop.
        limits: How long it may last at most.
        work_ms: Median work on a frame, back to back, where that was measured before: how busy the device will be
            decides how many frames a stall delays. None: half of the time.
    """

    arrivals: Arrivals
    deadline_ms: float
    gate: MissGate
    limits: MeasureLimits = MeasureLimits()
    work_ms: float | None = None

    def __post_init__(self) -> None:
        """Refuse a line that leaves no time."""
        if not self.deadline_ms > 0:
            msg = f"deadline_ms must be > 0, got {self.deadline_ms:g}; the fixed times leave none: move the ejector"
            raise MeasurementError(msg)

    def looks(self) -> tuple[InterimLook, ...]:
        """Plan the run: it ends at the limit of frames, or with what the belt brings until the time is over.

        It may first end in `misses` after two seconds of the belt, 16 frames at least. Frames that one stall of the
        gate's length makes late are one event.
        """
        rate = self.arrivals.frames_per_s
        busy = planned_utilisation(self.arrivals, deadline_ms=self.deadline_ms, back_to_back_ms=self.work_ms)
        burst = burst_frames(self.gate.stall_ms, arrivals=self.arrivals, deadline_ms=self.deadline_ms, utilisation=busy)
        limit = max(1, min(self.limits.frames, int(self.limits.seconds * rate)))
        first = max(_FIRST_LOOK_FRAMES, ceil(_FIRST_LOOK_SECONDS * rate))
        return plan_looks(self.gate, limit_frames=limit, first_frames=first, burst_frames=burst)


def measure_at_line_rate(
    artifact: Artifact,
    frames: Sequence[Frame],
    *,
    demand: Demand,
    target: Target,
    progress: Progress = lambda _: None,
    host: Host | None = None,
) -> Measurement:
    """Measure an artifact under a line's load, in a fresh process that is pinned and alone.

    The run ends as soon as the gate is certainly held or certainly missed, else at its limits.

    Args:
        artifact: What to run.
        frames: Real camera frames, uint8 `[height, width, channels]` each; at least 2 different ones. Rotated.
        demand: What the line asks.
        target: Threads and CPUs.
        progress: Called now and then while it runs.
        host: Where to measure; None: here.

    Returns:
        Every frame's times; the looks of the test and how the run stopped stand in its fingerprint under `run`.

    Raises:
        MeasurementError: A period shorter than the timer there holds, or the measuring process failed; its message is
            passed on.
    """
    job = Job(
        artifact=artifact,
        arrivals=demand.arrivals,
        deadline_ns=round(demand.deadline_ms * 1e6),
        gate=demand.gate,
        looks=demand.looks(),
        seconds=demand.limits.seconds,
        warmup_frames=demand.limits.warmup_frames,
        threads=target.threads,
        cpus=target.cpus,
    )
    return _measured(job, frames, host or LocalHost(), progress)


def measure_back_to_back(
    artifact: Artifact,
    frames: Sequence[Frame],
    *,
    target: Target,
    limits: MeasureLimits,
    progress: Progress = lambda _: None,
    host: Host | None = None,
) -> Measurement:
    """Measure an artifact as fast as it goes: each frame is offered when the one before is decided.

    Arguments, return value and errors are those of `measure_at_line_rate`; it ends at its limits.
    """
    job = Job(
        artifact=artifact,
        looks=end_look(MissGate(), frames=limits.frames),
        seconds=limits.seconds,
        warmup_frames=limits.warmup_frames,
        threads=target.threads,
        cpus=target.cpus,
    )
    return _measured(job, frames, host or LocalHost(), progress)


def run_worker(host: Host, module: str, job: Path, *, threads: int, progress: Progress) -> None:
    """Run a measuring process on a host to its end.

    Args:
        host: Where.
        module: Which one, below `benchmarks`: `timing.worker` or `soak.worker`.
        job: The job file, there.
        threads: That native libraries may start.
        progress: Gets what the process reports.

    Raises:
        MeasurementError: The process failed; its own message where it had one.
    """
    failure: dict[str, str] = {}

    def on_line(line: str) -> None:
        facts = json.loads(line)
        if "error" in facts:
            failure.update(facts)
        else:
            progress(facts)

    argv = [host.python, "-m", f"{__name__.split('.')[0]}.benchmarks.{module}", str(job)]
    ended = host.run(argv, environment=_environment(host, threads), on_line=on_line)
    if failure or ended.code:
        raise _failed(failure, ended)


def prove_measurement(measurement: Measurement, *, deadline_ms: float, gate: MissGate) -> Proof:
    """Judge a measurement's miss rate with the looks that its run had planned.

    For a back-to-back run, another gate, or another deadline than the run's own, there is one look at its last frame.

    Args:
        measurement: Just made, or read from a trace.
        deadline_ms: Responses above it are late.
        gate: Allowed miss rate and confidence.
    """
    late = measurement.response_ns > round(deadline_ms * 1e6)
    looks = _looks_of(measurement, deadline_ms, gate) or end_look(
        gate,
        frames=max(1, late.size),
        burst_frames=allowed_burst_frames(measurement, deadline_ms=deadline_ms, stall_ms=gate.stall_ms),
    )
    cameras = measurement.arrivals.cameras if measurement.arrivals else 1
    return prove(late, gate=gate, looks=looks, cameras=cameras)


def _measured(job: Job, frames: Sequence[Frame], host: Host, progress: Progress) -> Measurement:
    """Bring artifact, frames and job to the host, run the worker there, and fetch its trace."""
    with tempfile.TemporaryDirectory(prefix="beltline-measure-") as folder:
        frames_file, job_file, trace = (Path(folder) / name for name in ("frames.npz", "job.json", "trace.npz"))
        write_frames(frames_file, frames)
        frames_there = host.put(frames_file)
        trace_there = frames_there.with_name(trace.name)
        artifact = job.artifact.moved_to(host.put(job.artifact.path.absolute().parent) / job.artifact.path.name)
        write_job(job_file, replace(job, artifact=artifact, frames=frames_there, trace=trace_there))
        run_worker(host, "timing.worker", host.put(job_file), threads=job.threads, progress=progress)
        host.get(trace_there, trace)
        return read_trace(trace)


def _failed(failure: dict[str, str], ended: Ended) -> BeltlineError:
    if failure:
        return MeasurementError(f"measuring failed: {failure['error']}")
    cause = ended.errors or (f"signal {-ended.code}; was memory short?" if ended.code < 0 else "no message")
    return MeasurementError(f"the measuring process ended with code {ended.code}: {cause}")


def _environment(host: Host, threads: int) -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {"PYTHONPATH": host.import_path, **dict.fromkeys(names, str(threads))}


def _looks_of(measurement: Measurement, deadline_ms: float, gate: MissGate) -> tuple[InterimLook, ...]:
    run = measurement.fingerprint.get("run", {})
    own = run.get("deadline_ns") == round(deadline_ms * 1e6) and run.get("gate") == gate.model_dump()
    return tuple(InterimLook(**look) for look in run["looks"]) if own and measurement.mode == "belt" else ()
