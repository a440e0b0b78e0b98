"""A GStreamer pipeline, through OpenCV: whatever camera or stream GStreamer knows."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ...inspection.base.packages import missing_package
from ..frames import PixelRule
from ..intake.capture import CapturePlan, CaptureSource, built_in, opened

_NOT_BUILT_IN = (
    "the installed OpenCV was built without GStreamer, as the wheels on PyPI are; take the system's instead: "
    "apt install python3-opencv, and a virtual environment made with --system-site-packages"
)


class GstreamerSettings(BaseModel):
    """A pipeline.

    Attributes:
        pipeline: As for `gst-launch-1.0`, ending in an appsink, such as
            `v4l2src ! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1`.
        ends: Whether the end of the stream is the end of the source; else it is opened again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    pipeline: Annotated[str, Field(pattern=r"appsink", max_length=4000)]
    ends: bool = False


class Gstreamer:
    """The kind; it keeps no state."""

    name = "gstreamer"
    settings_type = GstreamerSettings

    def missing(self) -> str | None:
        """Say what is not installed."""
        return missing_package("cv2", "line") or (None if built_in("GStreamer") else _NOT_BUILT_IN)

    def open(self, settings: GstreamerSettings, *, name: str, pixels: PixelRule) -> CaptureSource:
        """Start the pipeline.

        Raises:
            SourceError: GStreamer does not start it.
        """
        import cv2

        capture = opened(settings.pipeline, cv2.CAP_GSTREAMER, what="the pipeline")
        return CaptureSource(capture, CapturePlan(name=name, pixels=pixels, ends=settings.ends))


SOURCE = Gstreamer()
