"""A stretch of a soak on disk: some seconds of frames with the conditions they ran under, in one small file.

Of each frame the five times of `measurement.TIMES` are kept, all of them, to the nanosecond. They are stored as steps
(from frame to frame, then from mark to mark), byte by byte of equal weight, which a general compressor makes small.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...inspection.base.errors import MeasurementError
from ..timing.measurement import TIMES, UNREADABLE, read_archive, write_archive

SEGMENT_FORMAT = 1
_MOST_FRAMES = 1 << 20
_MOST_BYTES = 64 << 20

Rows = NDArray[np.int64]
"""Times of frames, int64 `[frames, 5]` in the order of `measurement.TIMES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFacts:
    """What a segment says of itself.

    Attributes:
        soak: Digest of what is soaked; see `folder.SoakPlan`.
        session: Which stretch between two interruptions, from 0.
        index: Which segment of the session, from 0.
        first_frame: Index of its first frame in the session.
        unix_s: When its last frame was in, seconds since 1970.
        conditions: As `targets.conditions.conditions` gives them, then.
        counters: As `targets.conditions.counters` gives them, then.
    """

    soak: str
    session: int
    index: int
    first_frame: int
    unix_s: float
    conditions: dict[str, float | None]
    counters: dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Facts and frames."""

    facts: SegmentFacts
    rows: Rows


def write_segment(path: Path, segment: Segment) -> None:
    """Write a segment, whole or not at all.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    facts = {"format": SEGMENT_FORMAT, "frames": len(segment.rows), **asdict(segment.facts)}
    write_archive(path, facts, {"first": segment.rows[:1], "steps": _packed(segment.rows)})


def read_segment(path: Path) -> Segment:
    """Read what `write_segment` wrote.

    Raises:
        MeasurementError: The file is missing, damaged, or of another version; the message names it.
    """
    try:
        facts, arrays = read_archive(
            path, ("first", "steps"), version=("segment", SEGMENT_FORMAT), most_bytes=_MOST_BYTES
        )
        rows = _unpacked(arrays["first"], arrays["steps"], facts.pop("frames"))
        return Segment(facts=_checked(facts), rows=rows)
    except UNREADABLE as error:
        msg = f"{path}: not a readable part of a soak ({error}); move the soak's folder away and soak again"
        raise MeasurementError(msg) from error


def _packed(rows: Rows) -> NDArray[np.uint8]:
    """Turn rows into steps and split those by byte: uint8 `[8, 5 * (frames - 1)]`."""
    marks = np.diff(rows, axis=1, prepend=0)
    marks[:, 0] = np.diff(rows[:, 0], prepend=rows[:1, 0])
    steps = np.ascontiguousarray(marks[1:].T).ravel()
    return np.ascontiguousarray(steps.astype("<i8").view(np.uint8).reshape(-1, 8).T)


def _unpacked(first: Rows, planes: NDArray[np.uint8], frames: int) -> Rows:
    if type(frames) is not int or not 1 <= frames <= _MOST_FRAMES:
        msg = f"wanted 1 to {_MOST_FRAMES} frames, got {frames!r}"
        raise ValueError(msg)
    wanted = (8, len(TIMES) * (frames - 1))
    if planes.dtype != np.uint8 or planes.shape != wanted or first.dtype != np.int64 or first.shape != (1, len(TIMES)):
        msg = f"wanted steps uint8 {wanted}, got {planes.dtype} {planes.shape}"
        raise ValueError(msg)
    steps = np.ascontiguousarray(planes.T).view("<i8").reshape(len(TIMES), frames - 1).T
    rows = np.concatenate([first, steps.astype(np.int64)])
    rows[:, 0] = np.cumsum(rows[:, 0])
    rows[1:] = np.cumsum(rows[1:], axis=1)
    return rows


def _checked(facts: dict[str, Any]) -> SegmentFacts:
    found = SegmentFacts(**facts)
    whole = all(type(value) is int and value >= 0 for value in (found.session, found.index, found.first_frame))
    readings = [*found.conditions.items(), *found.counters.items(), ("unix_s", found.unix_s)]
    numbers = all(isinstance(name, str) and isinstance(value, int | float | None) for name, value in readings)
    if not (whole and numbers and isinstance(found.soak, str)):
        msg = f"its facts cannot be true: {facts}"
        raise ValueError(msg)
    return found
