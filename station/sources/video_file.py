"""A video file, at its own pace or another one: for trying a station out without a camera."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ...inspection.base.errors import SourceError
from ...inspection.base.packages import missing_package
from ..frames import PixelRule
from ..intake.capture import CapturePlan, CaptureSource, opened

_USUAL_RATE = 25.0


class VideoFileSettings(BaseModel):
    """A video.

    Attributes:
        path: The file.
        period_ms: From one frame to the next; None: as recorded.
        loop: Begin again at its end; else the source ends there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: Path
    period_ms: Annotated[float, Field(gt=0, le=120_000)] | None = None
    loop: bool = False


class VideoFile:
    """The kind; it keeps no state."""

    name = "video_file"
    settings_type = VideoFileSettings

    def missing(self) -> str | None:
        """Say what is not installed."""
        return missing_package("cv2", "line")

    def open(self, settings: VideoFileSettings, *, name: str, pixels: PixelRule) -> CaptureSource:
        """Open the file.

        Raises:
            SourceError: It is not there or no video.
        """
        import cv2

        if not settings.path.is_file():
            msg = f"{settings.path}: wanted a video file, got none; check the path"
            raise SourceError(msg)
        capture = opened(str(settings.path), cv2.CAP_ANY, what=str(settings.path))
        rate = capture.get(cv2.CAP_PROP_FPS)
        recorded_s = 1 / rate if 0 < rate < 10_000 else 1 / _USUAL_RATE
        period_s = recorded_s if settings.period_ms is None else settings.period_ms / 1e3
        plan = CapturePlan(name=name, pixels=pixels, period_s=period_s, loops=settings.loop, ends=True)
        return CaptureSource(capture, plan)


SOURCE = VideoFile()
