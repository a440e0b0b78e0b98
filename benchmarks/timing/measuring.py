"""Order a measurement: a fresh process runs the artifact's frames and leaves a trace; see `worker`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from .measurement import Measurement
from .trace import read_trace

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
class _Offer:
    """How frames are offered to an artifact and what is asked of it; see `measure`."""

    arrivals: Arrivals | None
    deadline_ms: float
    gate: MissGate
    limits: MeasureLimits
    work_ms: float | None

    def __post_init__(self) -> None:
        if not self.deadline_ms > 0:
            msg = f"deadline_ms must be > 0, got {self.deadline_ms:g}; the fixed times leave none: move the ejector"
            raise MeasurementError(msg)

    def looks(self) -> tuple[InterimLook, ...]:
        """Plan the run: it ends at the limit of frames, or with what the belt brings until the time is over.

        It may first end in `misses` after two seconds of the belt, 16 frames at least. Frames that one stall of the
        gate's length makes late are one event.
        """
        if self.arrivals is None:
            return end_look(self.gate, frames=self.limits.frames)
        busy = planned_utilisation(self.arrivals, deadline_ms=self.deadline_ms, back_to_back_ms=self.work_ms)
        burst = burst_frames(self.gate.stall_ms, arrivals=self.arrivals, deadline_ms=self.deadline_ms, utilisation=busy)
        limit = max(1, min(self.limits.frames, int(self.limits.seconds * self.arrivals.frames_per_s)))
        first = max(_FIRST_LOOK_FRAMES, ceil(_FIRST_LOOK_SECONDS * self.arrivals.frames_per_s))
        return plan_looks(self.gate, limit_frames=limit, first_frames=first, burst_frames=burst)


def measure(
    artifact: Artifact,
    frames: Sequence[Frame],
    *,
    arrivals: Arrivals | None,
    deadline_ms: float,
    gate: MissGate,
    target: Target,
    limits: MeasureLimits | None = None,
    work_ms: float | None = None,
    progress: Progress = lambda _: None,
    host: Host | None = None,
) -> Measurement:
    """Measure an artifact in a fresh process that is pinned and alone.

    On a belt the run ends as soon as the gate is certainly held or certainly missed, else at its limits.

    Args:
        artifact: What to run.
        frames: Real camera frames, uint8 `[height, width, channels]` each; at least 2 different ones. Rotated.
        arrivals: When frames are due (open loop); None: back to back.
        deadline_ms: Decisions that come later are misses; > 0.
        gate: Allowed miss rate and confidence: they decide when the run may stop.
        target: Threads and CPUs.
        limits: How long it may last at most.
        work_ms: Median work on a frame, back to back, where that was measured before: how busy the device will be
            decides how many frames a stall delays. None: half of the time.
        progress: Called now and then while it runs.
        host: Where to measure; None: here.

    Returns:
        Every frame's times; the looks of the test and how the run stopped stand in its fingerprint under `run`.

    Raises:
        MeasurementError: A number that cannot be measured with, a period shorter than the timer there holds, or the
            measuring process failed (in its words).
    """
    offer = _Offer(
        arrivals=arrivals, deadline_ms=deadline_ms, gate=gate, limits=limits or MeasureLimits(), work_ms=work_ms
    )
    where = host or LocalHost()
    with tempfile.TemporaryDirectory(prefix="beltline-measure-") as folder:
        frames_file, job_file, trace = (Path(folder) / name for name in ("frames.npz", "job.json", "trace.npz"))
        write_frames(frames_file, frames)
        frames_there = where.put(frames_file)
        trace_there = frames_there.with_name(trace.name)
        there = artifact.moved_to(where.put(artifact.path.absolute().parent) / artifact.path.name)
        write_job(job_file, _job(there, offer, target, frames_there, trace_there))
        run_worker(where, "timing.worker", where.put(job_file), target=target, progress=progress)
        where.get(trace_there, trace)
        return read_trace(trace)


def run_worker(host: Host, module: str, job: Path, *, target: Target, progress: Progress) -> None:
    """Run a measuring process on a host to its end.

    Args:
        host: Where.
        module: Which one, below `benchmarks`: `timing.worker` or `soak.worker`.
        job: The job file, there.
        target: Its threads.
        progress: Gets what the process tells.

    Raises:
        MeasurementError: The process failed, in its own words where it had any.
    """
    failure: dict[str, str] = {}

    def on_line(line: str) -> None:
        facts = json.loads(line)
        if "error" in facts:
            failure.update(facts)
        else:
            progress(facts)

    argv = [host.python, "-m", f"{__name__.split('.')[0]}.benchmarks.{module}", str(job)]
    ended = host.run(argv, environment=_environment(host, target), on_line=on_line)
    if failure or ended.code:
        raise _failed(failure, ended)


def prove_measurement(measurement: Measurement, *, deadline_ms: float, gate: MissGate) -> Proof:
    """Judge a measurement's miss rate with the looks that its run had planned.

    For a back-to-back run, another gate, or another deadline than the run's own, there is one look at its last frame.

    Args:
        measurement: Made by `measure`, or read from a trace.
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


def _job(artifact: Artifact, offer: _Offer, target: Target, frames: Path, trace: Path) -> Job:
    return Job(
        artifact=artifact,
        arrivals=offer.arrivals,
        deadline_ns=round(offer.deadline_ms * 1e6),
        gate=offer.gate,
        looks=offer.looks(),
        seconds=offer.limits.seconds,
        warmup_frames=offer.limits.warmup_frames,
        threads=target.threads,
        cpus=target.cpus,
        frames=frames,
        trace=trace,
    )


def _failed(failure: dict[str, str], ended: Ended) -> BeltlineError:
    if failure:
        return MeasurementError(f"measuring failed: {failure['error']}")
    cause = ended.errors or (f"signal {-ended.code}; was memory short?" if ended.code < 0 else "no message")
    return MeasurementError(f"the measuring process ended with code {ended.code}: {cause}")


def _environment(host: Host, target: Target) -> dict[str, str]:
    """Hand over the import path and the number of threads that native libraries may start."""
    threads = str(target.threads)
    path = host.import_path
    return {"PYTHONPATH": path, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}


def _looks_of(measurement: Measurement, deadline_ms: float, gate: MissGate) -> tuple[InterimLook, ...]:
    run = measurement.fingerprint.get("run", {})
    own = run.get("deadline_ns") == round(deadline_ms * 1e6) and run.get("gate") == gate.model_dump()
    return tuple(InterimLook(**look) for look in run["looks"]) if own and measurement.mode == "belt" else ()
