"""A watched folder: each image file that is written or moved there is one photograph.

What lies there at the start is left alone: its parts have long passed the ejector. A file that is touched, renamed,
written twice or finished later is the part that it was; another file under a name that was there before, or another
photograph in the same file, is another part.
"""

from __future__ import annotations

import os
import time
import zlib
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ...inspection.base.errors import DataError, SourceError
from ...inspection.base.packages import missing_package
from ...inspection.data.files import IMAGE_SUFFIXES
from ...inspection.data.settings import Window
from ..frames import NoticedFrame, PixelRule, Quiet
from ..intake.folder_watch import Change, Facts, KernelWatch, PollingWatch, facts_at, facts_of, files_in

MOST_REMEMBERED = 100_000
"""Files; of what was seen longest ago nothing is known any more."""

_TORN_S = 0.05
"""So long a file that cannot be read is watched for somebody who is still writing it."""

_POLL_S = 0.002
_FILE_SPARE_BYTES = 1 << 20


class FolderSettings(BaseModel):
    """A folder that someone else writes photographs to.

    Attributes:
        path: The folder.
        then: What becomes of a file that was read; what cannot be read is never removed.
        bit_depth: Bits that a 16-bit file really uses; None: as the bundle says.
        window: Instead of `bit_depth`: grey levels of 16-bit files that become black and white, as in line.yaml.
        poll_ms: Look every so often instead of being notified by the kernel: needed where the folder is a network
            share.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: Path
    then: Literal["leave", "remove"] = "leave"
    bit_depth: Annotated[int, Field(ge=8, le=16)] | None = None
    window: Window | None = None
    poll_ms: Annotated[float, Field(ge=1, le=60_000)] | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class _Seen:
    """A file that was a part, or lay there at the start.

    Attributes:
        name: What it is called now.
        facts: When it was looked at last; None: it was gone already.
        unread: Whether its part is still to be read: what is written until then belongs to it.
        read_bytes: Length of what was read; None: nothing was.
        checksum: Of what was read.
    """

    name: str
    facts: Facts | None
    unread: bool
    read_bytes: int | None = None
    checksum: int = 0


class FolderSource:
    """An open one."""

    def __init__(self, settings: FolderSettings, *, name: str, pixels: PixelRule) -> None:
        self._settings = settings
        self._name = name
        self._pixels = pixels
        if settings.bit_depth is not None or settings.window is not None:
            self._pixels = replace(pixels, bit_depth=settings.bit_depth or pixels.bit_depth, window=settings.window)
        every_ms, path = settings.poll_ms, settings.path
        self._watch = KernelWatch(path) if every_ms is None else PollingWatch(path, every_s=every_ms / 1e3)
        self._lock = Lock()
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._moved: OrderedDict[Facts | int, _Seen] = OrderedDict()
        self._noticed: deque[tuple[_Seen, int]] = deque()
        self._count = 0
        try:
            for file_name, facts in files_in(path).items():
                self._remember(_Seen(name=file_name, facts=facts, unread=False))
        except SourceError:
            self._watch.close()
            raise

    def next_frame(self, timeout_s: float) -> NoticedFrame | Quiet:
        """Wait for the next file; its deadline counts from when it was noticed, and it is decoded by others."""
        if not self._noticed:
            changes, now_ns = self._watch.changes(timeout_s), time.monotonic_ns()
            for change in changes:
                if change.gone:
                    self._forget(change)
                elif (part := self._new_part(change)) is not None:
                    self._noticed.append((part, now_ns))
        if not self._noticed:
            return Quiet.NOTHING_YET
        seen, captured_ns = self._noticed.popleft()
        self._count += 1
        return NoticedFrame(
            number=self._count,
            source=self._name,
            name=seen.name,
            captured_ns=captured_ns,
            load=partial(self._load, seen),
            dismiss=partial(self._dismiss, seen),
        )

    def close(self) -> None:
        """Stop watching."""
        self._watch.close()

    def _new_part(self, change: Change) -> _Seen | None:
        """Say whether a file that was written or moved here is a part that was not noticed before."""
        path = self._settings.path / change.name
        if change.name.startswith(".") or path.suffix.lower() not in IMAGE_SUFFIXES:
            return None
        try:
            facts = facts_at(path)
        except OSError:
            facts, gone = None, True
        else:
            gone = False
        with self._lock:
            known = self._seen.get(change.name)
            if facts is None and (known is not None or not gone):
                return None  # it was seen before it went; or it is a folder, a link, a pipe
            if self._is_renamed(change, facts) or (facts is not None and _is_same(known, path, facts)):
                return None
            seen = _Seen(name=change.name, facts=facts, unread=True)
            self._remember(seen)
            return seen

    def _is_renamed(self, change: Change, facts: Facts | None) -> bool:
        seen = self._moved.pop(change.rename, None) or (None if facts is None else self._moved.pop(facts, None))
        if seen is not None:
            seen.name = change.name
            self._remember(seen)
        return seen is not None

    def _forget(self, change: Change) -> None:
        """Another file of this name is another part; the same one under another name is not."""
        with self._lock:
            seen = self._seen.pop(change.name, None)
            key = change.rename or (None if seen is None else seen.facts)
            if seen is not None and key is not None:
                self._moved[key] = seen
                if len(self._moved) > MOST_REMEMBERED:
                    self._moved.popitem(last=False)

    def _remember(self, seen: _Seen) -> None:
        self._seen[seen.name] = seen
        self._seen.move_to_end(seen.name)
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.popitem(last=False)

    def _load(self, seen: _Seen, most_bytes: int) -> NDArray[np.uint8]:
        from ...inspection.data.images import frame_of_content

        until_s = time.monotonic() + _TORN_S
        while True:
            path = self._settings.path / seen.name
            try:
                content = self._read(seen, path, most_bytes)
                image = frame_of_content(
                    path,
                    content,
                    channels=self._pixels.channels,
                    bit_depth=self._pixels.bit_depth,
                    window=self._pixels.window,
                    most_bytes=most_bytes,
                    mosaic=self._pixels.bayer is not None,
                )
            except DataError:
                if not self._changes(seen, until_s):
                    raise
                continue
            self._dismiss(seen)
            return image

    def _read(self, seen: _Seen, path: Path, most_bytes: int) -> bytes:
        most = 2 * most_bytes + _FILE_SPARE_BYTES
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor, so that it is no link or pipe
                content = stream.read(most + 1) if facts_of(os.fstat(descriptor)) is not None else b""
                facts = facts_of(os.fstat(descriptor))
        except OSError as error:
            with self._lock:
                seen.unread = False
            msg = f"{path}: cannot be read: {error.strerror}"
            raise DataError(msg) from error
        with self._lock:
            seen.facts, seen.unread = facts, False
            seen.read_bytes, seen.checksum = len(content), zlib.crc32(content)
        if len(content) > most:
            msg = f"{path}: wanted a file of at most {most / 1e6:g} MB; see largest_frame_mb"
            raise DataError(msg)
        return content

    def _changes(self, seen: _Seen, until_s: float) -> bool:
        """Wait for somebody who is still writing a file, or gives it its name; whether it changed."""
        with self._lock:
            seen.unread = True
            before = seen.facts, seen.name
        while time.monotonic() < until_s:
            time.sleep(_POLL_S)
            with suppress(OSError):
                if (facts_at(self._settings.path / seen.name), seen.name) != before:
                    return True
        with self._lock:
            seen.unread = False
        return False

    def _dismiss(self, seen: _Seen) -> None:
        """Remove a file whose part has its answer, unless somebody put another one in its place."""
        with self._lock:
            seen.unread = False
            path, facts = self._settings.path / seen.name, seen.facts
        if self._settings.then == "remove":
            with suppress(OSError):  # that it stays is seen in the folder
                if facts_at(path) == facts:
                    path.unlink()


def _is_same(known: _Seen | None, path: Path, facts: Facts) -> bool:
    """Whether a file is the part that was seen under its name; then its facts are noted."""
    if known is None or known.facts is None or known.facts.inode != facts.inode:
        return False
    if known.facts != facts and not known.unread and not _goes_on(path, known):
        return False
    known.facts = facts
    return True


def _goes_on(path: Path, known: _Seen) -> bool:
    """Whether a file holds what was read of it before, alone or with more behind it."""
    if known.read_bytes is None:
        return False
    with suppress(OSError), path.open("rb") as stream:
        return zlib.crc32(stream.read(known.read_bytes)) == known.checksum
    return False


class Folder:
    """The kind; it keeps no state."""

    name = "folder"
    settings_type = FolderSettings

    def missing(self) -> str | None:
        """Say what is not installed."""
        return missing_package("cv2", "line")

    def open(self, settings: FolderSettings, *, name: str, pixels: PixelRule) -> FolderSource:
        """Watch the folder.

        Raises:
            SourceError: It is not there or cannot be watched.
        """
        return FolderSource(settings, name=name, pixels=pixels)


SOURCE = Folder()
