"""A camera at Video4Linux2 (UVC webcams, CSI cameras, frame grabbers), through OpenCV."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ...inspection.base.errors import SourceError
from ...inspection.base.packages import missing_package
from ..frames import PixelRule
from ..intake.capture import CapturePlan, CaptureSource, opened

_NEWEST_ONLY = 1


class V4l2Settings(BaseModel):
    """A device.

    Attributes:
        device: Number of `/dev/video<number>`.
        width: In pixels; None: as the camera is set.
        height: In pixels; None: as the camera is set.
        frames_per_s: None: as the camera is set.
        fourcc: Pixel format such as `MJPG` or `YUYV`; None: OpenCV's choice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    device: Annotated[int, Field(ge=0, le=255)] = 0
    width: Annotated[int, Field(ge=1, le=65_535)] | None = None
    height: Annotated[int, Field(ge=1, le=65_535)] | None = None
    frames_per_s: Annotated[float, Field(gt=0, le=10_000)] | None = None
    fourcc: Annotated[str, Field(pattern=r"^[A-Z0-9 ]{4}$")] | None = None


class V4l2:
    """The kind; it keeps no state."""

    name = "v4l2"
    settings_type = V4l2Settings

    def missing(self) -> str | None:
        """Say what is not installed."""
        return missing_package("cv2", "line")

    def open(self, settings: V4l2Settings, *, name: str, pixels: PixelRule) -> CaptureSource:
        """Open the device and set it up.

        Raises:
            SourceError: It is not there, or does not take a setting.
        """
        import cv2

        capture = opened(settings.device, cv2.CAP_V4L2, what=f"/dev/video{settings.device}")
        code = None if settings.fourcc is None else cv2.VideoWriter.fourcc(*settings.fourcc)
        wanted = {
            cv2.CAP_PROP_FOURCC: code,
            cv2.CAP_PROP_FRAME_WIDTH: settings.width,
            cv2.CAP_PROP_FRAME_HEIGHT: settings.height,
            cv2.CAP_PROP_FPS: settings.frames_per_s,
        }
        for what, value in wanted.items():
            if value is not None and not capture.set(what, value):
                capture.release()
                msg = f"/dev/video{settings.device} does not take {value}; see `v4l2-ctl --list-formats-ext`"
                raise SourceError(msg)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, _NEWEST_ONLY)  # an old picture is of a part that has passed
        return CaptureSource(capture, CapturePlan(name=name, pixels=pixels))


SOURCE = V4l2()
