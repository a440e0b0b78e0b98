"""A folder of photographs shown over and over at line rate: for trying a station out without a camera."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ...inspection.base.errors import DataError, SourceError
from ...inspection.base.packages import missing_package
from ..frames import FaultyFrame, OfferedFrame, PixelRule, Quiet

_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"})


class ReplaySettings(BaseModel):
    """Photographs and their pace.

    Attributes:
        path: Folder of image files; they are shown in the order of their names.
        period_ms: From one to the next.
        frames: End after so many; None: never.
        keep: At most so many are kept in memory; further files are not shown.
        keep_mb: Memory for them, in MB; what comes on top is not shown, and one larger than that, decoded, is faulty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: Path
    period_ms: Annotated[float, Field(gt=0, le=120_000)]
    frames: Annotated[int, Field(ge=1)] | None = None
    keep: Annotated[int, Field(ge=1, le=10_000)] = 200
    keep_mb: Annotated[float, Field(gt=0, le=100_000)] = 256.0


Picture = tuple[str, NDArray[np.uint8] | DataError]


class ReplaySource:
    """An open one; when a frame is due does not depend on the frames before it."""

    def __init__(self, settings: ReplaySettings, pictures: list[Picture], *, name: str) -> None:
        self._settings = settings
        self._pictures = pictures
        self._name = name
        self._count = 0
        self._first_ns = time.monotonic_ns()

    def next_frame(self, timeout_s: float) -> OfferedFrame | FaultyFrame | Quiet:
        """Wait for the moment of the next photograph."""
        if self._count == self._settings.frames:
            return Quiet.ENDED
        due_ns = self._first_ns + round(self._count * self._settings.period_ms * 1e6)
        left_s = (due_ns - time.monotonic_ns()) / 1e9
        time.sleep(max(0.0, min(left_s, timeout_s)))
        if left_s > timeout_s:
            return Quiet.NOTHING_YET
        name, picture = self._pictures[self._count % len(self._pictures)]
        self._count += 1
        number, source, captured_ns = self._count, self._name, time.monotonic_ns()
        if isinstance(picture, DataError):
            return FaultyFrame(number=number, source=source, name=name, captured_ns=captured_ns, why=str(picture))
        return OfferedFrame(number=number, source=source, name=name, image=picture, captured_ns=captured_ns)

    def close(self) -> None:
        """Let the photographs go."""
        self._pictures = []


class Replay:
    """The kind; it keeps no state."""

    name = "replay"
    settings_type = ReplaySettings

    def missing(self) -> str | None:
        """Say what is not installed."""
        return missing_package("cv2", "line")

    def open(self, settings: ReplaySettings, *, name: str, pixels: PixelRule) -> ReplaySource:
        """Read the photographs; those that cannot be read are shown as faulty ones.

        Raises:
            SourceError: There is none.
        """
        found = settings.path.iterdir() if settings.path.is_dir() else ()
        paths = sorted(path for path in found if path.suffix.lower() in _SUFFIXES)[: settings.keep]
        if not paths:
            msg = f"{settings.path}: wanted a folder of photographs, got none; check the path"
            raise SourceError(msg)
        return ReplaySource(settings, _pictures(paths, pixels, int(settings.keep_mb * 1e6)), name=name)


def _pictures(paths: list[Path], pixels: PixelRule, most_bytes: int) -> list[Picture]:
    """Read as many as there is room for, at least one."""
    found: list[Picture] = []
    left_bytes = most_bytes
    for path in paths:
        name, picture = _picture(path, pixels, most_bytes)
        left_bytes -= 0 if isinstance(picture, DataError) else picture.nbytes
        if found and left_bytes < 0:
            break
        found.append((name, picture))
    return found


def _picture(path: Path, pixels: PixelRule, most_bytes: int) -> Picture:
    from ...inspection.data.images import frame_of_content, read_bytes

    try:
        content = read_bytes(path)
        return path.name, frame_of_content(
            path,
            content,
            channels=pixels.channels,
            bit_depth=pixels.bit_depth,
            window=pixels.window,
            most_bytes=most_bytes,
            mosaic=pixels.bayer is not None,
        )
    except DataError as error:
        return path.name, error


SOURCE = Replay()
