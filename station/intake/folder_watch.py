"""Noticing files: notified by the kernel, or by polling where it cannot notify."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...inspection.base.errors import SourceError
from ..readable import readable

_CLOSED_AFTER_WRITING, _MOVED_AWAY, _MOVED_HERE, _DELETED = 0x8, 0x40, 0x80, 0x200
_OVERFLOW, _IGNORED = 0x4000, 0x8000
_EVENT = struct.Struct("iIII")
_MOST_BYTES = 64 * 1024
_CLOCK_STEP_NS = 10_000_000
"""A file system's clock is behind the other by at most a tick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What distinguishes one state of a file from another.

    Attributes:
        inode: Which file it is, whatever it is called.
        size_bytes: Its size.
        changed_ns: When it was written last.
    """

    inode: int
    size_bytes: int
    changed_ns: int


def facts_of(found: os.stat_result) -> Facts | None:
    """Give a file's facts; None: a folder, a link, a pipe or a device, which is no photograph."""
    if not stat.S_ISREG(found.st_mode):
        return None
    return Facts(inode=found.st_ino, size_bytes=found.st_size, changed_ns=found.st_mtime_ns)


def facts_at(path: Path) -> Facts | None:
    """Give the facts of the file at a path, links not followed; None: as of `facts_of`.

    Raises:
        OSError: There is none.
    """
    return facts_of(path.lstat())


def files_in(folder: Path, *, since_ns: int = 0) -> dict[str, Facts]:
    """Give the files of a folder, links, pipes and folders left out.

    Args:
        folder: Where to look.
        since_ns: Leave out those that were made, written or moved before, in ns since 1970.

    Raises:
        SourceError: It cannot be read.
    """
    found: dict[str, Facts] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # it went away just now; the others are there all the same
                    state = entry.stat(follow_symlinks=False)
                    facts = facts_of(state)
                    if facts is not None and state.st_ctime_ns >= since_ns:
                        found[entry.name] = facts
    except FileNotFoundError as error:
        msg = f"{folder} is gone; mount or make it"
        raise SourceError(msg) from error
    except OSError as error:
        msg = f"{folder} cannot be read: {error.strerror}; check the share and its permissions"
        raise SourceError(msg) from error
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that happened in a folder.

    Attributes:
        name: Of the file.
        gone: Whether it was removed or moved away; else it was written, or moved here.
        rename: The same number for a name that is gone and the new one of the file; 0: it was not renamed.
    """

    name: str
    gone: bool
    rename: int = 0


class KernelWatch:
    """A local folder: a file counts as soon as its writer closes it or moves it here (inotify(7))."""

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        wanted = _CLOSED_AFTER_WRITING | _MOVED_HERE | _MOVED_AWAY | _DELETED
        if self._descriptor < 0 or libc.inotify_add_watch(self._descriptor, bytes(folder), wanted) < 0:
            problem = os.strerror(ctypes.get_errno())
            self.close()
            msg = f"{folder} cannot be watched: {problem}; make the folder, or set poll_ms to look into it instead"
            raise SourceError(msg)
        self._folder = folder
        self._since_ns = time.time_ns() - _CLOCK_STEP_NS

    def changes(self, timeout_s: float) -> list[Change]:
        """Wait for files; gives what happened in its order, or nothing.

        Raises:
            SourceError: The folder is gone.
        """
        if not readable([self._descriptor], timeout_s):
            return []
        raw, changes, at = os.read(self._descriptor, _MOST_BYTES), [], 0
        while at < len(raw):
            _, mask, cookie, length = _EVENT.unpack_from(raw, at)
            if mask & _IGNORED:
                msg = f"{self._folder}: the folder is gone"
                raise SourceError(msg)
            if mask & _OVERFLOW:  # the kernel's queue was full: look for what it left out
                missed = files_in(self._folder, since_ns=self._since_ns)
                names = sorted(missed, key=lambda name: (missed[name].changed_ns, name))
                changes += [Change(name=name, gone=False) for name in names]
                at += _EVENT.size + length
                continue
            name = os.fsdecode(raw[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0"))
            changes.append(Change(name=name, gone=bool(mask & (_MOVED_AWAY | _DELETED)), rename=cookie))
            at += _EVENT.size + length
        return changes

    def close(self) -> None:
        """Stop watching."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class PollingWatch:
    """A folder on a network share: a file counts when two looks find it with the same size, time and inode."""

    def __init__(self, folder: Path, *, every_s: float) -> None:
        self._folder = folder
        self._every_s = every_s
        self._before = files_in(self._folder)
        self._given = dict(self._before)

    def changes(self, timeout_s: float) -> list[Change]:
        """Wait for files; gives those that are gone and those that are whole since the last call, oldest first.

        Raises:
            SourceError: The folder cannot be read.
        """
        until = time.monotonic() + timeout_s
        while True:
            time.sleep(min(self._every_s, timeout_s))
            now = files_in(self._folder)
            gone = [name for name in self._given if name not in now]
            whole = [name for name, facts in now.items() if self._given.get(name) != facts == self._before.get(name)]
            self._before = now
            self._given = {name: facts for name, facts in self._given.items() if name in now}
            self._given.update((name, now[name]) for name in whole)
            if gone or whole or time.monotonic() >= until:
                whole.sort(key=lambda name: (now[name].changed_ns, name))
                return [Change(name=name, gone=True) for name in gone] + [
                    Change(name=name, gone=False) for name in whole
                ]

    def close(self) -> None:
        """Stop watching: nothing is held."""
