"""What a measuring process has to do: one JSON file, and the frames beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...export.contracts import Artifact, Frame
from ...inspection.base.errors import MeasurementError
from ...inspection.base.storage import write_json
from ...inspection.line.arrivals import Arrivals
from ...inspection.line.gates import MissGate
from ..proof.interim_looks import InterimLook
from .measurement import Mode

_NEVER_NS = 1 << 62
_MOST_FRAME_BYTES = 2 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One measurement to be made.

    Attributes:
        artifact: What to run; its path, like the other two, is one on the measuring machine.
        seconds: Longest duration after warming up (a backlog cannot stretch a run beyond it); of a soak the time in
            all sessions together.
        warmup_frames: Least number of cold frames.
        threads: Of the engine.
        cpus: That the process is pinned to.
        arrivals: When frames are due; None: back to back.
        deadline_ns: Response times above it are misses.
        gate: What the looks were planned for.
        looks: When a run may end early; the last one is its end. Back to back only that end counts; a soak has none.
        frames: The `.npz` with the frames.
        trace: Where the measurement goes: a file, or the folder of a soak.
    """

    artifact: Artifact
    seconds: float
    warmup_frames: int
    threads: int
    cpus: tuple[int, ...]
    arrivals: Arrivals | None = None
    deadline_ns: int = _NEVER_NS
    gate: MissGate = field(default_factory=MissGate)
    looks: tuple[InterimLook, ...] = ()
    frames: Path = Path()
    trace: Path = Path()

    @property
    def mode(self) -> Mode:
        """How frames are offered."""
        return "belt" if self.arrivals else "back_to_back"


def write_job(path: Path, job: Job) -> None:
    """Write a job as JSON."""
    plain = {"frames": str(job.frames), "trace": str(job.trace), "gate": job.gate.model_dump()}
    write_json(path, {**asdict(job), **plain, "artifact": job.artifact.to_json()})


def read_job(path: Path) -> Job:
    """Read what `write_job` wrote.

    Raises:
        MeasurementError: It is no job.
    """
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        rebuilt = {
            "artifact": Artifact.from_json(value["artifact"]),
            "arrivals": Arrivals(**value["arrivals"]) if value["arrivals"] else None,
            "gate": MissGate(**value["gate"]),
            "looks": tuple(InterimLook(**look) for look in value["looks"]),
            "cpus": tuple(value["cpus"]),
            "frames": Path(value["frames"]),
            "trace": Path(value["trace"]),
        }
        return Job(**{**value, **rebuilt})
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path}: not a measuring job: {error}"
        raise MeasurementError(msg) from error


def write_frames(path: Path, frames: Sequence[Frame]) -> None:
    """Write the frames that a measurement rotates through.

    Raises:
        MeasurementError: Fewer than two different frames (caches would flatter the result), or too many bytes.
    """
    if len(frames) < 2 or all(np.array_equal(frames[0], frame) for frame in frames[1:]):
        msg = f"measuring needs at least 2 different frames, got {len(frames)}; one repeated frame flatters caches"
        raise MeasurementError(msg)
    size = sum(frame.nbytes for frame in frames)
    if size > _MOST_FRAME_BYTES:
        msg = f"frames to measure with must fit {_MOST_FRAME_BYTES} bytes, got {size}; give fewer of them"
        raise MeasurementError(msg)
    named = {f"frame_{index:06d}": frame for index, frame in enumerate(frames)}
    np.savez(path, allow_pickle=False, **named)


def read_frames(path: Path) -> list[Frame]:
    """Read what `write_frames` wrote, each frame C-contiguous, in the same order."""
    with np.load(path, allow_pickle=False) as archive:
        return [np.ascontiguousarray(archive[name]) for name in sorted(archive.files)]
