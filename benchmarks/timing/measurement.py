"""A latency measurement: every sample kept, nothing summarised away."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...inspection.base.errors import MeasurementError
from ...inspection.base.storage import write_bytes
from ...inspection.line.arrivals import Arrivals, due_ns

Mode = Literal["belt", "back_to_back"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One artifact's frames on one device, in the order they came; times in ns on one monotonic clock.

    All arrays are int64 of shape `[frames]`. In mode `belt` frames are scheduled as `arrivals` says; in mode
    `back_to_back` each is scheduled when the one before was decided. The cold frames stand first: `warmup` of them.

    Attributes:
        mode: How frames were offered.
        arrivals: The rule of the schedule; None in mode `back_to_back`.
        warmup: How many frames at the beginning are cold: kept and shown, but not judged.
        scheduled_ns: When the frame was due.
        started_ns: When work on it began (later than due where an earlier frame was late or the pacer overslept).
        engine_start_ns: Pre-processing ends.
        engine_end_ns: Post-processing begins.
        decided_ns: The decision is there.
        fingerprint: What the device was: JSON-able facts, see `targets.fingerprint`.
        artifact_digest: Which artifact ran.
    """

    mode: Mode
    arrivals: Arrivals | None
    warmup: int
    scheduled_ns: NDArray[np.int64]
    started_ns: NDArray[np.int64]
    engine_start_ns: NDArray[np.int64]
    engine_end_ns: NDArray[np.int64]
    decided_ns: NDArray[np.int64]
    fingerprint: dict[str, Any]
    artifact_digest: str

    @property
    def period_ns(self) -> int:
        """From one trigger of the cameras to the next on a plain belt; 0 in mode `back_to_back`."""
        return self.arrivals.period_ns if self.arrivals else 0

    @property
    def response_ns(self) -> NDArray[np.int64]:
        """Decision minus scheduled start of the judged frames: what the belt sees. Shape `[frames - warmup]`."""
        return (self.decided_ns - self.scheduled_ns)[self.warmup :]

    @property
    def engine_ns(self) -> NDArray[np.int64]:
        """Time in the engine of the judged frames. Shape `[frames - warmup]`."""
        return (self.engine_end_ns - self.engine_start_ns)[self.warmup :]


FORMAT = 2
TIMES = ("scheduled_ns", "started_ns", "engine_start_ns", "engine_end_ns", "decided_ns")
"""The arrays of a trace, in the order in which a frame passes them."""

UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, AttributeError, zipfile.BadZipFile)
"""What reading a file that is none, or a damaged one, may raise."""

_MOST_BYTES = 4 << 30
_FACTS = ("mode", "warmup", "fingerprint", "artifact_digest")


def write_trace(path: Path, measurement: Measurement) -> None:
    """Write a measurement, whole or not at all.

    Raises:
        MeasurementError: Its times cannot be true; see `check`.
        StorageError: The disk is full or the folder cannot be written.
    """
    check(measurement, where=str(path))
    arrivals = asdict(measurement.arrivals) if measurement.arrivals else None
    facts = {"format": FORMAT, "arrivals": arrivals, **{name: getattr(measurement, name) for name in _FACTS}}
    write_archive(path, facts, {name: getattr(measurement, name) for name in TIMES})


def read_trace(path: Path) -> Measurement:
    """Read what `write_trace` wrote.

    Raises:
        MeasurementError: The file is missing, damaged, of another version, or holds times that cannot be true.
    """
    try:
        facts, arrays = read_archive(path, TIMES, version=("trace", FORMAT), most_bytes=_MOST_BYTES)
        arrivals = Arrivals(**facts["arrivals"]) if facts["arrivals"] is not None else None
        named: dict[str, Any] = {**{name: facts[name] for name in _FACTS}, **arrays}
        measurement = Measurement(arrivals=arrivals, **named)
    except UNREADABLE as error:
        msg = f"{path}: not a readable trace ({error}); measure again, a trace cannot be repaired"
        raise MeasurementError(msg) from error
    check(measurement, where=str(path))
    return measurement


def write_archive(path: Path, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write facts (JSON-able, with their `format`) and arrays as one `.npz`, whole or not at all."""
    text = np.frombuffer(json.dumps(facts, allow_nan=False).encode(), dtype=np.uint8)
    content = BytesIO()
    np.savez_compressed(content, allow_pickle=False, facts=text, **arrays)
    write_bytes(path, content.getvalue())


def read_archive(
    path: Path, names: Iterable[str], *, version: tuple[str, int], most_bytes: int
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read facts, without their format, and arrays that `write_archive` wrote; nothing is unpickled.

    Args:
        path: The file.
        names: Of the arrays.
        version: What it is and the format that is read, for the message.
        most_bytes: That it may have unpacked.

    Raises:
        UNREADABLE: It is missing, damaged, too large, or of another version.
    """
    with zipfile.ZipFile(path) as packed:
        size = sum(each.file_size for each in packed.infolist())
    if size > most_bytes:
        msg = f"unpacked it would have {size} bytes, at most {most_bytes} are read"
        raise ValueError(msg)
    with np.load(path, allow_pickle=False) as archive:
        facts: dict[str, Any] = json.loads(archive["facts"].tobytes())
        if (found := facts.pop("format")) != version[1]:
            msg = f"{version[0]} format {found!r} is not {version[1]}: it is of another version of Beltline"
            raise ValueError(msg)
        return facts, {name: archive[name] for name in names}


def check(measurement: Measurement, *, where: str) -> None:
    """Refuse times that cannot be true: this also proves that no frame is missing.

    In mode `belt` the judged frames must be scheduled exactly as their arrivals' rule says, worked out anew, so a
    frame that was left out or moved (or a pacer that waited for a slow frame) shows.

    Args:
        measurement: What was measured or read.
        where: Names it in the message.

    Raises:
        MeasurementError: Wrong types or shapes, negative times, a frame that ends before it starts, starts before it
            is due or before the one before it was decided, or a schedule that is not the one of its arrivals.
    """
    if problem := _problem(measurement):
        msg = f"{where}: {problem}; measure again, a trace cannot be repaired"
        raise MeasurementError(msg)


def _problem(measurement: Measurement) -> str | None:
    times = [getattr(measurement, name) for name in TIMES]
    if problem := _wrong_arrays(times) or _wrong_facts(measurement):
        return problem
    for name, earlier, later in zip(TIMES[1:], times[:-1], times[1:], strict=True):
        if (late := np.flatnonzero(later < earlier)).size:
            return f"frame {late[0]}: {name} lies before the step that precedes it"
    if (overlap := np.flatnonzero(measurement.started_ns[1:] < measurement.decided_ns[:-1])).size:
        return f"frame {overlap[0] + 1} started before the frame ahead of it was decided"
    return _off_schedule(measurement) or _cut(measurement)


def _off_schedule(measurement: Measurement) -> str | None:
    judged_ns = measurement.scheduled_ns[measurement.warmup :]
    if measurement.arrivals is None or not judged_ns.size:
        return None
    rule_ns = due_ns(measurement.arrivals, start=0, frames=judged_ns.size)
    off = np.flatnonzero(judged_ns - judged_ns[0] != rule_ns - rule_ns[0])
    if off.size:
        return f"judged frame {off[0]} is not due when the belt's rule says: a frame is missing or was moved"
    return None


def _cut(measurement: Measurement) -> str | None:
    """Compare with what the measuring process noted: a belt's rule alone does not show frames cut off at an end."""
    run = measurement.fingerprint.get("run")
    judged_ns = measurement.scheduled_ns[measurement.warmup :]
    if not isinstance(run, dict) or not judged_ns.size:
        return None
    if (frames := run.get("frames", judged_ns.size)) != judged_ns.size:
        return f"{judged_ns.size} judged frames are left of {frames!r}: frames are missing"
    if run.get("first_due_ns", judged_ns[0]) != judged_ns[0]:
        return "the first judged frame is not the one that the run began with: frames are missing"
    return None


def _wrong_arrays(times: list[NDArray[Any]]) -> str | None:
    for name, values in zip(TIMES, times, strict=True):
        if values.dtype != np.int64 or values.ndim != 1 or values.shape != times[0].shape:
            return f"{name}: wanted int64 {list(times[0].shape)}, got {values.dtype} {list(values.shape)}"
    if times[0].size and times[0].min() < 0:
        return "times must not be negative"
    return None


def _wrong_facts(measurement: Measurement) -> str | None:
    if measurement.mode not in ("belt", "back_to_back"):
        return f"mode must be belt or back_to_back, got {measurement.mode!r}"
    if (measurement.mode == "belt") != (measurement.arrivals is not None):
        return "a belt's trace must hold its arrivals, and only a belt's"
    warmup, frames = measurement.warmup, measurement.scheduled_ns.size
    if type(warmup) is not int or not 0 <= warmup <= frames:
        return f"warmup must be a whole number in [0, {frames}], got {warmup!r}"
    if not isinstance(measurement.fingerprint, dict) or not isinstance(measurement.artifact_digest, str):
        return "fingerprint must be an object and artifact_digest a text"
    return None
