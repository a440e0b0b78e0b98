"""A soak's folder: `plan.json`, and for each session its cold frames and segments, numbered without gaps.

    plan.json
    session-0000/session.json    when it began, and the device's state then
    session-0000/cold.npz        the frames before the belt started
    session-0000/000000.npz ...  the belt's frames, some seconds each

Whatever the length of a soak, reading holds one segment at a time.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...inspection.base.errors import MeasurementError, StorageError
from ...inspection.base.locking import locked
from ...inspection.base.storage import digest_of_json, write_json
from ...inspection.line.arrivals import Arrivals, due_ns
from ...targets.fingerprint import differences
from ..timing.measurement import TIMES
from .segment import Rows, Segment, read_segment

PLAN_FORMAT = 1
_FILE = "plan.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakPlan:
    """What every session of a soak has in common.

    Deadline, gate and length are not part of it: the trace is judged by those asked for when it is read.

    Attributes:
        artifact_digest: Which artifact runs.
        backend: What runs it.
        arrivals: When frames are due.
        threads: Of the engine.
        cpus: That the measuring process is pinned to.
        device: Fingerprint of the machine, without what changes from minute to minute.
    """

    artifact_digest: str
    backend: str
    arrivals: Arrivals
    threads: int
    cpus: tuple[int, ...]
    device: dict[str, Any]

    @property
    def digest(self) -> str:
        """Names the soak in each of its segments."""
        return digest_of_json({"format": PLAN_FORMAT, **asdict(self)})


def settle_plan(folder: Path, plan: SoakPlan) -> None:
    """Write the plan into a new soak's folder, or make sure that the soak begun there is this one.

    Raises:
        MeasurementError: Another artifact, belt or device was soaked there; the message names what differs.
        StorageError: The folder cannot be written.
    """
    if not (folder / _FILE).exists():
        write_json(folder / _FILE, {"format": PLAN_FORMAT, **asdict(plan)})
        return
    if differing := differences_of(read_plan(folder), plan):
        msg = (
            f"{folder}: the soak begun there cannot go on here, since these differ: {'; '.join(differing)}; "
            "go back to what was soaked, or move the folder away to begin a new soak"
        )
        raise MeasurementError(msg)


def read_plan(folder: Path) -> SoakPlan:
    """Read a soak's plan.

    Raises:
        MeasurementError: The folder holds no soak, a damaged one, or one of another version.
    """
    path = folder / _FILE
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _refuse_other_format(value.pop("format"))
        arrivals, cpus = Arrivals(**value.pop("arrivals")), tuple(value.pop("cpus"))
        return SoakPlan(**value, arrivals=arrivals, cpus=cpus)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path}: not the plan of a soak ({error}); move the folder away and soak again"
        raise MeasurementError(msg) from error


def differences_of(begun: SoakPlan, asked: SoakPlan) -> tuple[str, ...]:
    """Name what differs, the device's facts one by one."""
    own, others = asdict(begun), asdict(asked)
    return differences({**own, **own.pop("device")}, {**others, **others.pop("device")})


def _refuse_other_format(found: Any) -> None:
    if found != PLAN_FORMAT:
        msg = f"format {found!r} is not {PLAN_FORMAT}: it is of another version of Beltline"
        raise ValueError(msg)


_MOST_SESSIONS = 1000
_HELD_WITHIN_S = 60.0
_TRY_EVERY_S = 0.05
_SESSION = re.compile(r"session-(\d{4})")
_SEGMENT = re.compile(r"(\d{6,9})\.npz")


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakSession:
    """A stretch of a soak without interruption.

    Attributes:
        folder: Where its files lie.
        index: From 0.
        began_unix_s: When the belt was started.
        start: What `session.json` holds: `fingerprint`, `timer` and the like.
        segments: How many there are.
    """

    folder: Path
    index: int
    began_unix_s: float
    start: dict[str, Any]
    segments: int


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other processes out of a soak's folder; a recorder that still writes its last segment is waited for.

    Raises:
        StorageError: It is in use for longer than a minute, or cannot be written.
    """
    until_s = time.monotonic() + _HELD_WITHIN_S
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(folder, instead="move the soak's folder away"))
                break
            except StorageError:
                if time.monotonic() > until_s:
                    raise
                time.sleep(_TRY_EVERY_S)
        yield


def session_folder(folder: Path, index: int) -> Path:
    """Name a session's folder."""
    return folder / f"session-{index:04d}"


def segment_file(session: Path, index: int) -> Path:
    """Name a segment."""
    return session / f"{index:06d}.npz"


def cold_file(session: Path) -> Path:
    """Name the file of a session's cold frames."""
    return session / "cold.npz"


def sessions_of(folder: Path) -> list[SoakSession]:
    """List a soak's sessions, oldest first; one that was killed before its belt started is left out.

    Raises:
        MeasurementError: A session or a segment in the middle is missing, or there are too many sessions.
    """
    numbers = sorted(int(found[1]) for each in folder.iterdir() if (found := _SESSION.fullmatch(each.name)))
    if len(numbers) >= _MOST_SESSIONS:
        msg = f"{folder}: more than {_MOST_SESSIONS} sessions; move it away and soak without so many interruptions"
        raise MeasurementError(msg)
    if gaps := set(range(len(numbers))) - set(numbers):
        raise _missing(session_folder(folder, min(gaps)))
    begun = [number for number in numbers if (session_folder(folder, number) / "session.json").exists()]
    return [_session(session_folder(folder, number), number) for number in begun]


def next_session(folder: Path) -> int:
    """Give the number of a session to be begun; each one that was begun keeps its own."""
    return sum(1 for each in folder.iterdir() if _SESSION.fullmatch(each.name))


def cold_rows(session: SoakSession) -> Rows:
    """Read the frames that ran before the session's belt was started."""
    path = cold_file(session.folder)
    return read_segment(path).rows if path.exists() else np.empty((0, len(TIMES)), dtype=np.int64)


def segments_of(session: SoakSession, plan: SoakPlan) -> Iterator[Segment]:
    """Read a session's segments one by one and make sure that no frame is missing, was moved, or is of another soak.

    Raises:
        MeasurementError: One is missing or damaged, holds times that cannot be true, or belongs elsewhere.
    """
    first_ns, frames, decided_ns = 0, 0, 0
    for index in range(session.segments):
        path = segment_file(session.folder, index)
        segment = _present(path)
        facts, rows = segment.facts, segment.rows
        if (facts.soak, facts.session, facts.index, facts.first_frame) != (plan.digest, session.index, index, frames):
            raise _damaged(path, "it belongs to another soak or to another place in this one")
        rule_ns = due_ns(plan.arrivals, start=frames, frames=len(rows))
        first_ns = first_ns or int(rows[0, 0] - rule_ns[0])
        if problem := _problem(rows, decided_ns):
            raise _damaged(path, problem)
        if (off := np.flatnonzero(rows[:, 0] - first_ns != rule_ns)).size:
            raise _damaged(path, f"frame {off[0]} is not due when the belt's rule says: a frame is missing or moved")
        frames, decided_ns = frames + len(rows), int(rows[-1, -1])
        yield segment


def measured_s(session: SoakSession) -> float:
    """Say how long a session's belt ran; only its first and its last segment are read."""
    if not session.segments:
        return 0.0
    first, last = (_present(segment_file(session.folder, index)) for index in (0, session.segments - 1))
    return float(last.rows[-1, -1] - first.rows[0, 0]) / 1e9


def already_s(folder: Path) -> float:
    """Say how long the belt of a soak ran so far, in all sessions; 0 where nothing was soaked yet."""
    return sum(measured_s(session) for session in sessions_of(folder)) if folder.is_dir() else 0.0


def _session(folder: Path, index: int) -> SoakSession:
    path = folder / "session.json"
    try:
        start: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        began = float(start["unix_s"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, str(error)) from error
    return SoakSession(folder=folder, index=index, began_unix_s=began, start=start, segments=_count(folder))


def _count(folder: Path) -> int:
    count, last = 0, -1
    for each in folder.iterdir():
        if found := _SEGMENT.fullmatch(each.name):
            count, last = count + 1, max(last, int(found[1]))
    if last >= count:
        missing = next(index for index in range(last) if not segment_file(folder, index).exists())
        raise _missing(segment_file(folder, missing))
    return count


def _problem(rows: Rows, decided_ns: int) -> str | None:
    if rows[0, 0] < 0 or (late := np.flatnonzero((np.diff(rows, axis=1) < 0).any(axis=1))).size:
        return f"frame {0 if rows[0, 0] < 0 else late[0]}: its times are negative or run backwards"
    ahead = np.concatenate([[decided_ns], rows[:-1, -1]])
    if (overlap := np.flatnonzero(rows[:, 1] < ahead)).size:
        return f"frame {overlap[0]} started before the frame ahead of it was decided"
    return None


def _present(path: Path) -> Segment:
    if not path.exists():
        raise _missing(path)
    return read_segment(path)


def _missing(path: Path) -> MeasurementError:
    msg = f"{path} is missing, but later parts are there; bring it back, or move the soak's folder away and soak again"
    return MeasurementError(msg)


def _damaged(path: Path, problem: str) -> MeasurementError:
    return MeasurementError(f"{path}: {problem}; move the soak's folder away and soak again")
