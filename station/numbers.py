"""One ascending number for every outcome of a station, never given twice: not by two sources, not after a restart.

Numbers are reserved on the disk in blocks before they are given, so that no frame waits for the disk. A station that
was stopped in good order goes on with the next number; one that lost power, behind the block that it had reserved.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Condition, Thread

from ..inspection.base.errors import StorageError
from ..inspection.base.locking import locked
from ..inspection.base.storage import write_bytes

BLOCK = 10_000
"""At most so many numbers are left out after a power cut; less than half of one left: the next is reserved."""

FILE = "outcome-number"
_MOST_DIGITS = 18
_RETRY_S = 1.0


class OutcomeNumbers:
    """Gives numbers from 1 on, or from where the folder says; `next` is for one thread at a time.

    Attributes:
        folder: That remembers them; None: they begin at 1 each time.
        note_problem: Takes one sentence where numbers cannot be remembered; the line goes on all the same.
    """

    def __init__(self, folder: Path | None = None, *, note_problem: Callable[[str], None] = lambda _: None) -> None:
        """Reserve the first block.

        Args:
            folder: Remembers the numbers given, and belongs to this station alone; None: they begin at 1 each time.
            note_problem: As of the attribute.

        Raises:
            StorageError: The folder cannot be written, or another station uses it.
        """
        self.folder = folder
        self._path = None if folder is None else folder / FILE
        self.note_problem = note_problem
        self._changed = Condition()
        self._closed = False
        self._thread: Thread | None = None
        self._stack = ExitStack()
        self._last = self._reserved = 0
        if folder is not None and self._path is not None:
            _make(folder)
            self._stack.enter_context(locked(folder, instead="give each station a folder of its own with `state:`"))
            self._last = self._remembered(self._path)
            self._reserve()
            self._thread = Thread(target=self._keep_reserving, name="outcome-numbers", daemon=True)
            self._thread.start()

    def next(self) -> int:
        """Give the next number; never waits for the disk."""
        self._last += 1
        if self._thread is not None and self._reserved - self._last < BLOCK // 2:
            with self._changed:
                self._changed.notify()
        return self._last

    def close(self) -> None:
        """Remember the last number given, so that the next start leaves none out."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._path is not None:
            self._thread.join()
            try:
                write_bytes(self._path, str(self._last).encode())
            except StorageError as error:  # what was reserved before stays: the next start leaves numbers out
                self.note_problem(str(error))
        self._stack.close()

    def _remembered(self, path: Path) -> int:
        try:
            text = path.read_bytes()[: _MOST_DIGITS + 1]
        except FileNotFoundError:
            return 0
        except OSError as error:
            msg = f"{path} cannot be read: {error.strerror}; give the station another folder with `state:`"
            raise StorageError(msg) from error
        if not text.isdigit() or len(text) > _MOST_DIGITS:
            self.note_problem(f"{path} is damaged: outcomes are numbered from 1 again")
            return 0
        return int(text)

    def _keep_reserving(self) -> None:
        failing = False
        while True:
            with self._changed:
                while not self._closed and (failing or self._reserved - self._last >= BLOCK // 2):
                    if not self._changed.wait(_RETRY_S if failing else None):
                        break
                if self._closed:
                    return
            try:
                self._reserve()
                failing = False
            except StorageError as error:
                if not failing:
                    left = self._reserved - self._last
                    self.note_problem(f"{error}; after {left:,} more outcomes a power cut would repeat numbers")
                failing = True

    def _reserve(self) -> None:
        if self._path is not None:
            reserved = self._last + BLOCK
            write_bytes(self._path, str(reserved).encode())
            self._reserved = reserved


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder} cannot be made: {error.strerror}; give the station another folder with `state:`"
        raise StorageError(msg) from error


def default_state_folder() -> Path:
    """Give the folder for what must survive a restart: systemd's where it names one, else this user's.

    `$STATE_DIRECTORY` (systemd.exec(5)), else `beltline` in `$XDG_STATE_HOME`, else in `~/.local/state`.
    """
    named = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "beltline"
