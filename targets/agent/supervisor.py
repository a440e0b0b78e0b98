"""Jobs on the device: a folder each, kept by a process of its own that outlives the connection.

The supervisor starts what is ordered, waits for it, and removes the folder when it is asked to or when nobody has asked
for it for the length of a lease. It holds a lock as long as it lives, so that a folder whose lock is free was abandoned
(the device lost its power) and the next session clears it away. No duration is taken from the wall clock.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import RefusalError, answer

_POLL_S = 0.2
_BEAT_S = 5.0
_END_WITHIN_S = 20.0
_TAIL_BYTES = 8_000
_UMASK_OF_COMMANDS = 0o022  # what they install is for others, too; the agent's own files are not
_NAME = re.compile(r"[0-9a-f]{8,64}")


def open_job(folder: Path, job: str, *, lease_s: float) -> dict[str, Any]:
    """Make a job's folder and its supervisor; asked a second time, it is still the first one's."""
    path = folder_of(folder, job, must_exist=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _jobs_lock(folder):
        if path.exists():
            return {"folder": str(path)}
        path.mkdir()
        lock = os.open(path / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        (path / "seen").touch()
    if (child := os.fork()) == 0:
        try:
            _detach()
            _keep(path, lease_s)
        finally:
            os._exit(0)
    os.close(lock)
    os.waitpid(child, 0)
    return {"folder": str(path)}


def order(folder: Path, job: str, number: int, facts: dict[str, Any]) -> dict[str, Any]:
    """Leave an order (`argv`, `environment`) for the supervisor; the same number a second time changes nothing."""
    touch(folder, job)
    run = folder_of(folder, job) / f"run-{number}"
    run.mkdir(exist_ok=True)
    _write(run / "order.json", facts)
    return {"ordered": number}


def follow(folder: Path, job: str, number: int, *, offset: int) -> None:
    """Print what a run tells as it comes: `{"line": text, "next": offset}`, and at its end `{"ended": code, ...}`.

    Ends, too, when nobody reads any more; a beat every few seconds lets a dead connection be noticed.
    """
    run = folder_of(folder, job) / f"run-{number}"
    os.nice(10)
    beat_s = time.monotonic()
    while not _unread():
        touch(folder, job)
        if time.monotonic() - beat_s > _BEAT_S:
            beat_s = time.monotonic()
            answer({"beat": number})
        ended = _read(run / "ended.json")
        for line in _lines(run / "progress", offset):
            offset += len(line)
            answer({"line": line.decode(errors="replace").rstrip("\n"), "next": offset})
        if ended is None and not _kept(run.parent):
            text = "the process that keeps the job on the device is gone; was it killed, or the disk full? run again"
            raise RefusalError(text)
        if ended is not None:
            answer({"ended": ended["code"], "errors": _tail(run / "errors")})
            return
        time.sleep(_POLL_S)


def stop(folder: Path, job: str, number: int) -> dict[str, Any]:
    """Kill what a run has started."""
    run = folder_of(folder, job) / f"run-{number}"
    (run / "stop").touch()
    begin_s = time.monotonic()
    while _kept(run.parent) and not (run / "ended.json").exists() and time.monotonic() - begin_s < _END_WITHIN_S:
        time.sleep(_POLL_S / 4)
    return {"stopped": number}


def end_job(folder: Path, job: str) -> dict[str, Any]:
    """Stop what runs for a job and remove its folder."""
    path = folder_of(folder, job, must_exist=False)
    if path.exists():
        (path / "stop").touch()
    begin_s = time.monotonic()
    while path.exists() and time.monotonic() - begin_s < _END_WITHIN_S:
        if not _kept(path):
            shutil.rmtree(path, ignore_errors=True)
        time.sleep(_POLL_S / 4)
    return {"ended": not path.exists()}


def clear_abandoned(folder: Path) -> None:
    """Remove the folders of jobs whose supervisor is gone."""
    (folder / "jobs").mkdir(parents=True, exist_ok=True)
    with _jobs_lock(folder):
        for path in (folder / "jobs").iterdir():
            if not _kept(path):
                shutil.rmtree(path, ignore_errors=True)


def touch(folder: Path, job: str) -> None:
    """Let the supervisor know that somebody still asks for the job."""
    os.utime(folder_of(folder, job) / "seen", ns=(time.monotonic_ns(), time.monotonic_ns()))


def inside(folder: Path, job: str, name: str) -> Path:
    """Find a file by its path, which must lie in the job's folder."""
    path, home = Path(name).resolve(), folder_of(folder, job).resolve()
    if not path.is_relative_to(home) or not path.is_file():
        text = f"{name}: not a file of this job"
        raise RefusalError(text)
    return path


def folder_of(folder: Path, job: str, *, must_exist: bool = True) -> Path:
    """Name a job's folder.

    Raises:
        RefusalError: There is none: its lease has run out, or the device was switched off meanwhile.
    """
    path = folder / "jobs" / job
    if not _NAME.fullmatch(job) or (must_exist and not path.exists()):
        text = f"job {job} is not here any more: was the device switched off, or away for too long? run again"
        raise RefusalError(text)
    return path


def _unread() -> bool:
    """Whether the other end of stdout is closed."""
    poll = select.poll()
    poll.register(1, 0)
    return bool(poll.poll(0))


def _keep(path: Path, lease_s: float) -> None:
    """Start what is ordered, one run after the other, until the job is over."""
    seen, seen_s, number = 0, time.monotonic(), 0
    process: subprocess.Popen[bytes] | None = None
    try:
        while not (path / "stop").exists() and time.monotonic() - seen_s < lease_s:
            if (now := (path / "seen").stat().st_mtime_ns) != seen:
                seen, seen_s = now, time.monotonic()
            run = path / f"run-{number}"
            if process is None and (facts := _read(run / "order.json")) is not None:
                process = _start(run, facts)
            if process is not None and (run / "stop").exists():
                _kill(process)
            if process is not None and (code := process.poll()) is not None:
                _write(run / "ended.json", {"code": code})
                process, number = None, number + 1
            time.sleep(_POLL_S)
    finally:
        if process is not None:
            _kill(process)
        shutil.rmtree(path, ignore_errors=True)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _start(run: Path, facts: dict[str, Any]) -> subprocess.Popen[bytes]:
    with (run / "progress").open("wb") as progress, (run / "errors").open("wb") as errors:
        return subprocess.Popen(
            facts["argv"],
            stdin=subprocess.DEVNULL,
            stdout=progress,
            stderr=errors,
            env={**os.environ, **facts["environment"]},
            cwd=run,
            start_new_session=True,
            umask=_UMASK_OF_COMMANDS,
        )


def _detach() -> None:
    """Leave the connection's session, so that its end does not end this process."""
    os.setsid()
    if os.fork():
        os._exit(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)


def _kept(path: Path) -> bool:
    """Whether a job's supervisor lives."""
    try:
        with (path / "lock").open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _jobs_lock(folder: Path) -> Any:
    lock = (folder / "jobs.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _write(path: Path, facts: dict[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(facts))
    temporary.replace(path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return facts


def _lines(path: Path, offset: int) -> list[bytes]:
    """Read whole lines from an offset on."""
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            return [line for line in stream if line.endswith(b"\n")]
    except FileNotFoundError:
        return []


def _tail(path: Path) -> str:
    try:
        return path.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
    except FileNotFoundError:
        return ""
