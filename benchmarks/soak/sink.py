"""Hands each frame's times to the recorder without waiting: one write of 40 bytes into a pipe."""

from __future__ import annotations

import fcntl
import json
import os
import struct
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...inspection.base.errors import MeasurementError
from ..timing.isolation import require_parent
from .folder import session_folder
from .recorder import Orders

_PIPE_BYTES = 1 << 20
"""Most that Linux gives to everyone (/proc/sys/fs/pipe-max-size): 26,000 frames until the recorder must have looked."""

_ATOMIC_BYTES = 4_000
"""A pipe takes up to 4,096 bytes whole or not at all (PIPE_BUF); this many rows are 100."""

_MOST_WAITING_BYTES = 64 << 20
_LOOK_AFTER_PARENT = 1 << 10

_PACK = struct.Struct("=5q").pack


def start_recorder(orders: Orders, output: int) -> tuple[int, subprocess.Popen[bytes]]:
    """Begin a session: make its folder and start the process that writes it down; it ends when the pipe is closed.

    Args:
        orders: What it is to do.
        output: Descriptor that it tells its progress to.

    Returns:
        The pipe's end for writing, which never blocks, and the process.
    """
    session_folder(Path(orders.folder), orders.session).mkdir()
    source, handle = os.pipe()
    with suppress(OSError):  # the user's share of pipe memory is used up: a smaller one does, if the disk keeps up
        fcntl.fcntl(handle, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    os.set_blocking(handle, False)
    argv = [sys.executable, "-m", f"{__package__}.recorder", json.dumps(asdict(orders))]
    process = subprocess.Popen(argv, stdin=source, stdout=output)
    os.close(source)
    return handle, process


@dataclass(slots=True, kw_only=True)
class PipeSink:
    """Where a soak's loop leaves its times; see `loop.Note`.

    Attributes:
        handle: The pipe's end for writing.
        end_ns: The soak ends with the first frame decided later.
        parent: The process that ordered the soak; where it is gone, the soak ends.
        count: Frames noted.
    """

    handle: int
    end_ns: int
    parent: int
    count: int = 0
    _waiting: bytearray = field(default_factory=bytearray)

    def note(
        self, due_ns: int, started_ns: int, engine_start_ns: int, engine_end_ns: int, decided_ns: int
    ) -> str | None:
        """Hand a frame's times over; where the pipe is full they wait here, and none is lost."""
        row = _PACK(due_ns, started_ns, engine_start_ns, engine_end_ns, decided_ns)
        self.count += 1
        try:
            if self._waiting:
                self._waiting += row
                self._hand_over()
            else:
                os.write(self.handle, row)
        except BlockingIOError:
            self._waiting += row
        except BrokenPipeError:
            return "recorder"
        if not self.count % _LOOK_AFTER_PARENT:
            self.watch_parent()
        return "time" if decided_ns > self.end_ns else None

    def watch_parent(self) -> None:
        """Stop where nobody waits for the soak any more.

        Raises:
            MeasurementError: The process that ordered it is gone.
        """
        require_parent(self.parent)

    def finish(self) -> None:
        """Hand over what still waits and close the pipe."""
        os.set_blocking(self.handle, True)
        with suppress(BrokenPipeError):
            while self._waiting:
                del self._waiting[: os.write(self.handle, self._waiting[:_ATOMIC_BYTES])]
        os.close(self.handle)

    def _hand_over(self) -> None:
        try:
            del self._waiting[: os.write(self.handle, self._waiting[:_ATOMIC_BYTES])]
        except BlockingIOError:
            if len(self._waiting) > _MOST_WAITING_BYTES:
                msg = f"the disk is too slow: {len(self._waiting) >> 20} MiB of times wait to be written; take another"
                raise MeasurementError(msg) from None
