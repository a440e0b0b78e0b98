"""Order a soak: a fresh process runs the line's load for as long as asked and leaves its trace in a folder."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ...export.contracts import Artifact, Frame
from ...inspection.base.errors import MeasurementError
from ...inspection.line.arrivals import Arrivals
from ...targets.host import LocalHost
from ...targets.target import Target
from ..timing.job import Job, write_frames, write_job
from ..timing.measuring import Progress, run_worker
from .folder import held

_WARMUP_FRAMES = 20


def soak(
    artifact: Artifact,
    frames: Sequence[Frame],
    *,
    arrivals: Arrivals,
    seconds: float,
    deadline_ms: float,
    target: Target,
    folder: Path,
    progress: Progress = lambda _: None,
) -> None:
    """Soak an artifact on this machine, or go on with a soak that was interrupted, until its time is reached.

    However it ends (Ctrl-C, a kill, a full disk), what was measured is in the folder, up to its last seconds; Ctrl-C
    loses nothing.

    Args:
        artifact: What to run.
        frames: Real camera frames, uint8 `[height, width, channels]` each; at least 2 different ones. Rotated.
        arrivals: When frames are due.
        seconds: How long the belt runs in all sessions together, > 0.
        deadline_ms: Decisions that come later are misses; > 0. Only for those who look on: the trace keeps all times.
        target: Threads and CPUs.
        folder: The soak's own folder; see `folder`.
        progress: Called once a second with `frames`, `misses` (of this session), `p50_ms`, `p99_ms` (of the last
            seconds) and the conditions.

    Raises:
        MeasurementError: A number that cannot be measured with, a soak of something else in the folder (the message
            says what differs), or the measuring process failed (by a full disk, say).
    """
    if not (seconds > 0 and deadline_ms > 0):
        msg = f"a soak wants seconds > 0 and deadline_ms > 0, got {seconds:g} and {deadline_ms:g}"
        raise MeasurementError(msg)
    with tempfile.TemporaryDirectory(prefix="beltline-soak-") as temporary:
        frames_file, job_file = (Path(temporary) / name for name in ("frames.npz", "job.json"))
        write_frames(frames_file, frames)
        job = Job(
            artifact=artifact.moved_to(artifact.path.absolute()),
            arrivals=arrivals,
            deadline_ns=round(deadline_ms * 1e6),
            seconds=seconds,
            warmup_frames=_WARMUP_FRAMES,
            threads=target.threads,
            cpus=target.cpus,
            frames=frames_file,
            trace=folder.absolute(),
        )
        write_job(job_file, job)
        try:
            run_worker(LocalHost(), "soak.worker", job_file, threads=target.threads, progress=progress)
        finally:
            if folder.exists():  # the recorder outlives the measuring process until its last segment is written
                with held(folder):
                    pass
