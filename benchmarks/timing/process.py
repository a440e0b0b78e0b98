"""Keep a measuring process to itself: pinned, alone on its machine, without garbage collection."""

from __future__ import annotations

import fcntl
import gc
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...inspection.base.errors import BeltlineError, MeasurementError

_BAD_INPUT = 2
_LONGEST_MESSAGE = 3_000
"""An error is one write to a pipe, whole (PIPE_BUF)."""


def pin(cpus: tuple[int, ...]) -> None:
    """Keep this process and every thread that it starts on these CPUs.

    Raises:
        MeasurementError: This process may not use one of them.
    """
    try:
        os.sched_setaffinity(0, cpus)
    except (OSError, ValueError) as error:
        msg = f"cannot pin to CPUs {list(cpus)}: {error}; this process may use {sorted(os.sched_getaffinity(0))}"
        raise MeasurementError(msg) from error


@contextmanager
def alone(on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of measurements: two at a time would disturb each other.

    The kernel frees it when this process ends, however it ends.

    Args:
        on_wait: Called once if another measurement must be waited for.
    """
    path = Path(tempfile.gettempdir()) / f"beltline-{os.getuid()}.measuring.lock"
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the garbage collector out of the measurement."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def require_parent(parent: int) -> None:
    """Stop a measurement that nobody waits for any more.

    Raises:
        MeasurementError: The process that ordered it is gone.
    """
    if os.getppid() != parent:
        msg = "the process that ordered this measurement is gone; stopped"
        raise MeasurementError(msg)


@dataclass(frozen=True, slots=True)
class Channel:
    """Where a measuring process reports: one JSON object a line; it never waits for the reader, who may lose lines.

    Attributes:
        handle: Descriptor of what was stdout.
    """

    handle: int

    def __call__(self, facts: dict[str, Any]) -> None:
        """Write facts."""
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self.handle, (json.dumps(facts) + "\n").encode())


def serve(argv: list[str], work: Callable[[str, Channel], int]) -> int:
    """Run a measuring process: stdout is its channel, and what else writes there (native libraries) goes to stderr.

    Args:
        argv: What it is started with: one text.
        work: Gets that text and the channel; gives the exit code.

    Returns:
        What `work` gives, or 2 after an error that a user can correct, which the channel reports as `{"error": ...}`.
    """
    channel = Channel(os.dup(1))
    os.dup2(2, 1)
    os.set_blocking(channel.handle, False)
    try:
        (text,) = argv
        return work(text, channel)
    except BeltlineError as error:
        channel({"error": str(error)[:_LONGEST_MESSAGE], "kind": type(error).__name__})
        return _BAD_INPUT
