"""What lies in the folder of a finished run: `report.json`, `report.html`, a trace of each row, and soaks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ...inspection.base.errors import MeasurementError, StorageError
from ..soak.schema import SoakSummary, read_soak
from ..timing.measurement import Measurement, Mode, read_trace


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


def soak_folder(folder: Path, row: str) -> Path:
    """Give where a row's soak lies in a run's folder: `traces/<row>.soak`, with `soak.json` in it."""
    return trace_file(folder, row).with_suffix(".soak")


def soak_of(folder: Path, rows: Iterable[str], *, artifact_digest: str | None) -> SoakSummary | None:
    """Read the soak of a row, if it was soaked as it is now.

    Args:
        folder: The run's.
        rows: The row's name, and others by which its soak may go.
        artifact_digest: What the row runs; a soak of something else is passed over. None: not known.

    Raises:
        MeasurementError: There is one, but damaged or of another version.
    """
    paths = [soak_folder(folder, row) / "soak.json" for row in rows]
    soaks = [read_soak(path) for path in paths if path.exists()]
    return next((soak for soak in soaks if artifact_digest in (None, soak.artifact_digest)), None)


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
