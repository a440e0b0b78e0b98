"""A watched folder: each image file that is written or moved there is one photograph.

What lies there at the start is left alone: its parts have long passed the ejector.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...inspection.base.errors import DataError
from ...inspection.base.packages import missing_package
from ..frames import FaultyFrame, OfferedFrame, Quiet
from ..intake.folder_watch import KernelWatch, PollingWatch

_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"})


class FolderSettings(BaseModel):
    """A folder that someone else writes photographs to.

    Attributes:
        path: The folder.
        then: What becomes of a file that was read; what cannot be read is never removed.
        bit_depth: Bits that a 16-bit file really uses.
        poll_ms: Look every so often instead of being told by the kernel: needed where the folder is a network share.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: Path
    then: Literal["leave", "remove"] = "leave"
    bit_depth: Annotated[int, Field(ge=8, le=16)] = 8
    poll_ms: Annotated[float, Field(ge=1, le=60_000)] | None = None


class FolderSource:
    """An open one."""

    def __init__(self, settings: FolderSettings, *, name: str, channels: int) -> None:
        self._settings = settings
        self._name = name
        self._channels = channels
        every_ms, path = settings.poll_ms, settings.path
        self._watch = KernelWatch(path) if every_ms is None else PollingWatch(path, every_s=every_ms / 1e3)
        self._noticed: deque[tuple[str, int]] = deque()
        self._count = 0

    def next_frame(self, timeout_s: float) -> OfferedFrame | FaultyFrame | Quiet:
        """Wait for the next file; its deadline counts from when it was noticed."""
        if not self._noticed:
            names, now_ns = self._watch.names(timeout_s), time.monotonic_ns()
            self._noticed.extend((name, now_ns) for name in names if self._wanted(name))
        if not self._noticed:
            return Quiet.NOTHING_YET
        name, captured_ns = self._noticed.popleft()
        self._count += 1
        return self._read(name, captured_ns)

    def close(self) -> None:
        """Stop watching."""
        self._watch.close()

    def _wanted(self, name: str) -> bool:
        path = self._settings.path / name
        return not name.startswith(".") and path.suffix.lower() in _SUFFIXES and not path.is_symlink()

    def _read(self, name: str, captured_ns: int) -> OfferedFrame | FaultyFrame:
        from ...inspection.data.images import read_frame

        path, number, source = self._settings.path / name, self._count, self._name
        try:
            image = read_frame(path, channels=self._channels, bit_depth=self._settings.bit_depth)
        except DataError as error:
            return FaultyFrame(number=number, source=source, name=name, captured_ns=captured_ns, why=str(error))
        if self._settings.then == "remove":
            with suppress(OSError):  # it is read; that it stays is seen in the folder
                path.unlink()
        return OfferedFrame(number=number, source=source, name=name, image=image, captured_ns=captured_ns)


class Folder:
    """The kind; it keeps no state."""

    name = "folder"
    settings_type = FolderSettings

    def missing(self) -> str | None:
        """Say what is not installed."""
        return missing_package("cv2", "line")

    def open(self, settings: FolderSettings, *, name: str, channels: int) -> FolderSource:
        """Watch the folder.

        Raises:
            SourceError: It is not there or cannot be watched.
        """
        return FolderSource(settings, name=name, channels=channels)


SOURCE = Folder()
