"""The last rejected frames on disk, for the people who look after quality: a ring that cannot fill the disk.

Each is a folder `<number>/` with `frame.png`, `heatmap.png` (where the model said something), `boxes.png` (the frame
with its findings drawn, where there are any) and `outcome.json`, written under a temporary name, synced and renamed.
`label` is added by whoever looked at it, see `labelling`.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path

from ...inspection.base.errors import MissingPartError, StorageError
from ...inspection.base.storage import new_folder
from ...inspection.data.bayer import in_colour
from ..outcomes import Seen
from ..settings import RingSettings
from .pictures import boxed_png, pictures_missing, png_of
from .work_budget import RING_MS_PER_S, WorkBudget

FRAME, HEATMAP, OUTCOME, BOXED = "frame.png", "heatmap.png", "outcome.json", "boxes.png"
_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class RingTally:
    """What a ring holds.

    Attributes:
        kept: Frames on disk.
        size_bytes: Of all of them.
        stored: Frames stored since the station started.
        skipped: Rejected frames that were not stored since too many came in a minute, or were too large for so many.
    """

    kept: int
    size_bytes: int
    stored: int
    skipped: int


class RejectRing:
    """Stores rejected frames and removes the oldest; used by one thread, counted by any."""

    def __init__(self, settings: RingSettings) -> None:
        """Go on with what is in the folder.

        Raises:
            StorageError: The folder cannot be made or read.
            MissingPartError: What writes pictures is not installed.
        """
        if (missing := pictures_missing()) is not None:
            raise MissingPartError(missing)
        self._settings = settings
        self._entries: deque[tuple[Path, int]] = deque()
        self._stored = self._skipped = 0
        self._minute, self._in_minute = 0, 0
        self._budget = WorkBudget(RING_MS_PER_S)
        try:
            settings.folder.mkdir(parents=True, exist_ok=True)
            self._tidy()
        except OSError as error:
            msg = f"{settings.folder}: rejected frames cannot be kept here: {error.strerror}; name another folder"
            raise StorageError(msg) from error
        self._size_bytes = sum(size for _, size in self._entries)

    def take(self, seen: Seen) -> None:
        """Store a rejected frame; others are passed over.

        Raises:
            StorageError: The disk is full or nearly so, or cannot be written; nothing half-written is left.
        """
        if seen.outcome.answer != "reject" or seen.image is None or not self._is_due():
            return
        free_bytes = shutil.disk_usage(self._settings.folder).free
        if free_bytes < self._settings.keep_free_mb * 1e6:
            msg = f"{self._settings.folder}: only {free_bytes / 1e6:.0f} MB are free, rejected frames are not kept"
            raise StorageError(msg)
        with self._budget.work():
            self._write(seen)
        self._stored += 1
        while len(self._entries) > self._settings.frames or self._size_bytes > self._settings.size_mb * 1e6:
            self._forget_oldest()

    def tally(self) -> RingTally:
        """Say what the ring holds."""
        return RingTally(
            kept=len(self._entries), size_bytes=self._size_bytes, stored=self._stored, skipped=self._skipped
        )

    def _is_due(self) -> bool:
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._in_minute = minute, 0
        spent = self._budget.spent
        self._in_minute += not spent
        if not spent and self._in_minute <= self._settings.frames_a_minute:
            return True
        self._skipped += 1
        return False

    def _write(self, seen: Seen) -> None:
        number = 1 + (int(self._entries[-1][0].name) if self._entries else 0)
        path = self._settings.folder / f"{number:0{_DIGITS}d}"
        facts = {**asdict(seen.outcome), "origin": seen.origin}
        parts = {OUTCOME: json.dumps(facts, indent=1).encode()}
        if seen.image is not None:
            parts[FRAME] = png_of(seen.image)
        if seen.heatmap is not None:
            parts[HEATMAP] = png_of(seen.heatmap)
        if seen.image is not None and seen.outcome.findings:
            parts[BOXED] = boxed_png(in_colour(seen.image, seen.bayer), seen.outcome.findings, origin=seen.origin)
        with new_folder(path) as folder:
            for name, content in parts.items():
                (folder / name).write_bytes(content)
        size_bytes = sum(len(content) for content in parts.values())
        self._entries.append((path, size_bytes))
        self._size_bytes += size_bytes

    def _forget_oldest(self) -> None:
        path, size_bytes = self._entries.popleft()
        shutil.rmtree(path, ignore_errors=True)
        self._size_bytes -= size_bytes

    def _tidy(self) -> None:
        for path in sorted(self._settings.folder.iterdir()):
            if is_entry(path):
                self._entries.append((path, sum(each.stat().st_size for each in path.iterdir())))
            elif path.name.startswith(".") and path.name.endswith(".tmp"):
                shutil.rmtree(path, ignore_errors=True)


def is_entry(path: Path) -> bool:
    """Whether something in a ring's folder is a frame of it."""
    return path.name.isdecimal() and len(path.name) == _DIGITS and (path / OUTCOME).is_file()
