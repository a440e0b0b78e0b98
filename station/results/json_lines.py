"""Outcomes into files, one line of JSON each; the files are rotated and never grow beyond what was allowed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ..outcomes import Outcome, Sink, outcome_line
from ..publishing.delivery import Delivery

_TAIL_BYTES = 1 << 16


class JsonLinesSettings(BaseModel):
    """Where lines go and how surely they are there after a power failure.

    Attributes:
        path: The file written to; older ones are beside it as `<name>.1` (the latest) to `<name>.<files - 1>`.
        file_mb: A file is closed and the next one begun before it grows beyond this, in MB.
        files: At most so many.
        sync_s: At most so many seconds of lines are lost when power fails: the file is synced with the first line
            after that time. 0: every line is synced before it counts as written.
        keep_s: So long a line is tried again where the disk is full; then it is counted as dropped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: Path
    file_mb: Annotated[float, Field(ge=0.001, le=4096)] = 16.0
    files: Annotated[int, Field(ge=1, le=1000)] = 10
    sync_s: Annotated[float, Field(ge=0, le=3600)] = 1.0
    keep_s: Annotated[float, Field(gt=0, le=3600)] = 5.0


class _LineFile:
    """The open file: a link of `delivery`. A line is there whole or not at all."""

    def __init__(self, settings: JsonLinesSettings) -> None:
        self._settings = settings
        self._limit_bytes = int(settings.file_mb * 1e6)
        self._synced_s = time.monotonic()
        self._descriptor, self._size_bytes = -1, 0
        settings.path.parent.mkdir(parents=True, exist_ok=True)
        self._open()

    def deliver(self, outcome: Outcome) -> None:
        line = outcome_line(outcome)
        if self._size_bytes and self._size_bytes + len(line) > self._limit_bytes:
            self._rotate()
        try:
            written = os.write(self._descriptor, line)
        except OSError:
            written = 0
            raise
        finally:
            if written != len(line):
                os.ftruncate(self._descriptor, self._size_bytes)
        if written != len(line):
            msg = f"the disk took {written} of {len(line)} bytes"
            raise OSError(msg)
        self._size_bytes += written
        self._sync_when_due()

    def close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _open(self) -> None:
        descriptor = os.open(self._settings.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            self._size_bytes = _whole_lines_bytes(descriptor)
            os.ftruncate(descriptor, self._size_bytes)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _rotate(self) -> None:
        self.close()
        path = self._settings.path
        for number in range(self._settings.files - 1, 0, -1):
            younger = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
            if younger.exists():
                younger.replace(path.with_name(f"{path.name}.{number}"))
        if self._settings.files == 1:
            path.unlink(missing_ok=True)
        self._open()

    def _sync_when_due(self) -> None:
        now_s = time.monotonic()
        if now_s - self._synced_s >= self._settings.sync_s:
            os.fsync(self._descriptor)
            self._synced_s = now_s


class JsonLines:
    """The kind `json_lines`."""

    name = "json_lines"
    settings_type = JsonLinesSettings

    def missing(self) -> str | None:
        """Nothing: Python has it all."""
        return None

    def open(self, settings: JsonLinesSettings) -> Sink:
        """Begin with the next outcome; a line that a power failure tore is removed then."""
        return Delivery(str(settings.path), lambda: _LineFile(settings), keep_s=settings.keep_s)


def _whole_lines_bytes(descriptor: int) -> int:
    """Give the length of a file up to its last newline; a torn line is longer than a line may be only by malice."""
    size_bytes = os.fstat(descriptor).st_size
    start = max(0, size_bytes - _TAIL_BYTES)
    tail = os.pread(descriptor, size_bytes - start, start)
    end = tail.rfind(b"\n")
    return start + end + 1 if end >= 0 or start == 0 else size_bytes


RESULT = JsonLines()
