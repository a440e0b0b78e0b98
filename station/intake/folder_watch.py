"""Noticing files that are whole: told by the kernel, or by looking again and again where it cannot tell."""

from __future__ import annotations

import ctypes
import os
import select
import struct
import time
from pathlib import Path

from ...inspection.base.errors import SourceError

_CLOSED_AFTER_WRITING, _MOVED_HERE, _OVERFLOW, _IGNORED = 0x8, 0x80, 0x4000, 0x8000
_EVENT = struct.Struct("iIII")
_MOST_BYTES = 64 * 1024


class KernelWatch:
    """A local folder: a file counts as soon as its writer closes it or moves it here (inotify(7))."""

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        wanted = _CLOSED_AFTER_WRITING | _MOVED_HERE
        if self._descriptor < 0 or libc.inotify_add_watch(self._descriptor, bytes(folder), wanted) < 0:
            problem = os.strerror(ctypes.get_errno())
            self.close()
            msg = f"{folder} cannot be watched: {problem}; make the folder, or set poll_ms to look into it instead"
            raise SourceError(msg)
        self._folder = folder

    def names(self, timeout_s: float) -> list[str]:
        """Wait for files; gives their names in the order in which they became whole, or none.

        Raises:
            SourceError: The folder is gone, or so many files came that some went unnoticed.
        """
        if not select.select([self._descriptor], (), (), timeout_s)[0]:
            return []
        raw, names, at = os.read(self._descriptor, _MOST_BYTES), [], 0
        while at < len(raw):
            _, mask, _, length = _EVENT.unpack_from(raw, at)
            if mask & (_OVERFLOW | _IGNORED):
                msg = f"{self._folder}: the folder is gone, or too many files came at once; some may be unnoticed"
                raise SourceError(msg)
            names.append(os.fsdecode(raw[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")))
            at += _EVENT.size + length
        return names

    def close(self) -> None:
        """Stop watching."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class PollingWatch:
    """A folder on a network share: a file counts when two looks find it with the same size and time."""

    def __init__(self, folder: Path, *, every_s: float) -> None:
        self._folder = folder
        self._every_s = every_s
        self._before = self._look()
        self._given = set(self._before)

    def names(self, timeout_s: float) -> list[str]:
        """Wait for files; gives the names of those that are whole since the last call, oldest first.

        Raises:
            SourceError: The folder cannot be read.
        """
        until = time.monotonic() + timeout_s
        while True:
            time.sleep(min(self._every_s, timeout_s))
            now = self._look()
            whole = [name for name, facts in now.items() if name not in self._given and self._before.get(name) == facts]
            self._before = now
            self._given = {*(self._given & now.keys()), *whole}
            if whole or time.monotonic() >= until:
                return sorted(whole, key=lambda name: now[name])

    def close(self) -> None:
        """Stop watching: nothing is held."""

    def _look(self) -> dict[str, tuple[int, int]]:
        """Give modification time and size of every file."""
        found: dict[str, tuple[int, int]] = {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False):
                        facts = entry.stat(follow_symlinks=False)
                        found[entry.name] = (facts.st_mtime_ns, facts.st_size)
        except FileNotFoundError as error:
            if error.filename == str(self._folder):
                msg = f"{self._folder} is gone; mount or make it"
                raise SourceError(msg) from error
        except OSError as error:
            msg = f"{self._folder} cannot be read: {error.strerror}; check the share and its permissions"
            raise SourceError(msg) from error
        return found
