"""What lies in the folder of a finished run: `report.json`, `report.html` and a trace of each row."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ...inspection.errors import MeasurementError, StorageError
from ..measurement import Measurement, Mode
from ..trace import read_trace


def trace_file(folder: Path, row: str, *, mode: Mode = "belt") -> Path:
    """Give where a row's trace lies in a run's folder: `traces/<row>.npz`, `traces/<row>.back_to_back.npz`.

    Raises:
        MeasurementError: The name would lead out of the folder; it may come from a report of somebody else's.

    >>> trace_file(Path("runs/pcb"), "small-int8").as_posix()
    'runs/pcb/traces/small-int8.npz'
    """
    if row in (".", "..") or Path(row).name != row or "\\" in row or "\0" in row:
        msg = f"row {row!r}: not a name that a file can have; was report.json changed by hand?"
        raise MeasurementError(msg)
    return folder / "traces" / f"{row}{'' if mode == 'belt' else f'.{mode}'}.npz"


def keep_trace(folder: Path, row: str, trace: Path, *, mode: Mode) -> None:
    """Show a trace under its row's name; a second name of the same file where the disk can do that, else a copy.

    Raises:
        StorageError: The folder cannot be written.
    """
    target = trace_file(folder, row, mode=mode)
    temporary = folder / f".{target.name}.{os.getpid()}.tmp"
    try:
        if target.exists() and target.samefile(trace):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        try:
            temporary.hardlink_to(trace)
        except OSError:
            shutil.copyfile(trace, temporary)
        temporary.replace(target)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        msg = f"cannot write {target}: {error.strerror or error}; free some space or choose another folder with --runs"
        raise StorageError(msg) from error


def traces_of(folder: Path, rows: Iterable[str]) -> dict[str, Measurement]:
    """Read the belt traces of rows, those that are there.

    Raises:
        MeasurementError: A trace is there, but damaged or of another version.
    """
    files = {row: trace_file(folder, row) for row in rows}
    return {row: read_trace(path) for row, path in files.items() if path.exists()}
