"""Video through OpenCV: files, V4L2 devices and GStreamer pipelines behave alike."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ...inspection.base.errors import DataError, SourceError
from ..frames import FaultyFrame, OfferedFrame, PixelRule, Quiet
from .pixels import image_of_bgr

_READ_TIMEOUT_MS = 2_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturePlan:
    """How a capture is used.

    Attributes:
        name: Of the source.
        pixels: What the model takes.
        period_s: From one frame to the next where the source itself does not wait, as a file; 0: it waits.
        loops: Whether a file begins again at its end.
        ends: Whether the end of the video is the end of the source; a camera never ends.
    """

    name: str
    pixels: PixelRule
    period_s: float = 0.0
    loops: bool = False
    ends: bool = False


class CaptureSource:
    """An open `cv2.VideoCapture`."""

    def __init__(self, capture: Any, plan: CapturePlan) -> None:
        self._capture = capture
        self._plan = plan
        self._count = 0
        self._due_s = time.monotonic()

    def next_frame(self, timeout_s: float) -> OfferedFrame | FaultyFrame | Quiet:
        """Wait for the next picture.

        Raises:
            SourceError: A camera gave none.
        """
        if not self._wait(timeout_s):
            return Quiet.NOTHING_YET
        if not self._capture.grab():
            return self._at_the_end()
        captured_ns = time.monotonic_ns()
        self._count += 1
        name = f"{self._plan.name} {self._count}"
        try:
            whole, pixels = self._capture.retrieve()
            if not whole:
                return self._faulty(name, captured_ns, "it cannot be decoded")
            image = image_of_bgr(pixels, self._plan.pixels)
        except DataError as error:
            return self._faulty(name, captured_ns, str(error))
        return OfferedFrame(number=self._count, source=self._plan.name, name=name, image=image, captured_ns=captured_ns)

    def close(self) -> None:
        """Let go of the device or file."""
        self._capture.release()

    def _wait(self, timeout_s: float) -> bool:
        if not self._plan.period_s:
            return True
        left_s = self._due_s - time.monotonic()
        time.sleep(max(0.0, min(left_s, timeout_s)))
        if left_s > timeout_s:
            return False
        self._due_s += self._plan.period_s
        return True

    def _at_the_end(self) -> Quiet:
        import cv2

        if self._plan.loops and self._count and self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0):
            return Quiet.NOTHING_YET
        if self._plan.ends and self._count:
            return Quiet.ENDED
        msg = f"{self._plan.name} gave no picture; is the camera plugged in and used by nobody else?"
        raise SourceError(msg)

    def _faulty(self, name: str, captured_ns: int, why: str) -> FaultyFrame:
        return FaultyFrame(number=self._count, source=self._plan.name, name=name, captured_ns=captured_ns, why=why)


def opened(address: str | int, api: int, *, what: str) -> Any:
    """Open a video through one of OpenCV's interfaces.

    Args:
        address: File, device number or pipeline.
        api: Such as `cv2.CAP_V4L2`.
        what: Names it in messages.

    Raises:
        SourceError: It cannot be opened.
    """
    import cv2

    capture = cv2.VideoCapture(address, api)
    if not capture.isOpened():
        capture.release()
        msg = (
            f"{what} cannot be opened; check that it is there, that this user may read it, and that nobody else uses it"
        )
        raise SourceError(msg)
    capture.set(cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_TIMEOUT_MS)
    return capture


def built_in(interface: str) -> bool:
    """Whether the installed OpenCV was built with an interface such as `GStreamer`."""
    import cv2

    lines = (line.split(":", 1) for line in cv2.getBuildInformation().splitlines() if ":" in line)
    return any(name.strip() == interface and value.strip().startswith("YES") for name, value in lines)
