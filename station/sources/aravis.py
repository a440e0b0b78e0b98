"""A GigE Vision or USB3 Vision camera, through Aravis.

`camera: Fake_1` is Aravis' own simulated camera; `arv-fake-gv-camera-0.8` simulates one behind a network interface.
"""

from __future__ import annotations

import ctypes
import time
from contextlib import suppress
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ...inspection.base.errors import DataError, SourceError
from ...inspection.base.packages import missing_package
from ..frames import FaultyFrame, OfferedFrame, PixelRule, Quiet
from ..intake.aravis_library import call, library, library_missing
from ..intake.pixels import image_of_raw

_SIMULATED = "Fake"
_CONTINUOUS = 0
_WHOLE = 0
_ASK_AFTER_S = 2.0


class AravisSettings(BaseModel):
    """A camera.

    Attributes:
        camera: Its name as `arv-tool-0.8` lists it, or its address; None: the first one found.
        pixel_format: GenICam's name such as `Mono8` or `BayerRG8`; None: as the camera is set.
        exposure_us: None: as the camera is set.
        gain: None: as the camera is set.
        frames_per_s: None: as the camera is set, or as often as it is triggered.
        trigger: Input such as `Line1` that a part's light barrier is wired to; None: it runs freely.
        features: Further GenICam features by name.
        buffers: Frames that the camera may be ahead of the station.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    camera: str | None = None
    pixel_format: str | None = None
    exposure_us: Annotated[float, Field(gt=0)] | None = None
    gain: float | None = None
    frames_per_s: Annotated[float, Field(gt=0)] | None = None
    trigger: str | None = None
    features: dict[str, bool | int | float | str] = {}
    buffers: Annotated[int, Field(ge=2, le=256)] = 8


class AravisSource:
    """An open camera."""

    def __init__(self, settings: AravisSettings, *, name: str, pixels: PixelRule) -> None:
        self._name = name
        self._pixels = pixels
        self._camera = self._stream = None
        self._count = self._lost = self._lost_notified = 0
        self._heard_s = time.monotonic()
        try:
            self._start(settings)
        except SourceError:
            self.close()
            raise

    def next_frame(self, timeout_s: float) -> OfferedFrame | FaultyFrame | Quiet:
        """Wait for the next picture.

        Raises:
            SourceError: The camera does not answer any more.
        """
        if self._lost_notified < self._lost:
            self._lost_notified += 1
            return self._faulty("", "the camera sent a picture that no buffer was free for; raise `buffers`")
        buffer = library().arv_stream_timeout_pop_buffer(self._stream, int(timeout_s * 1e6))
        captured_ns = time.monotonic_ns()
        if buffer is None:
            self._require_there()
            return Quiet.NOTHING_YET
        self._heard_s = time.monotonic()
        self._count += 1
        try:
            return self._frame(buffer, captured_ns)
        finally:
            library().arv_stream_push_buffer(self._stream, buffer)
            self._lost = self._underruns()

    def close(self) -> None:
        """Stop the camera and let go of it."""
        stream, camera = self._stream, self._camera
        self._stream = self._camera = None
        if stream is not None:
            with suppress(SourceError):  # it may be gone already
                call("arv_camera_stop_acquisition", camera)
            library().g_object_unref(stream)
        if camera is not None:
            library().g_object_unref(camera)

    def _start(self, settings: AravisSettings) -> None:
        if settings.camera is not None and settings.camera.startswith(_SIMULATED):
            library().arv_enable_interface(_SIMULATED.encode())
        camera = self._camera = call("arv_camera_new", _text(settings.camera))
        if camera is None:
            msg = f"wanted the camera {settings.camera or '(any)'}, got none; see `arv-tool-0.8`"
            raise SourceError(msg)
        _set_up(camera, settings)
        self._stream = call("arv_camera_create_stream", camera, None, None)
        size_bytes = call("arv_camera_get_payload", camera)
        for _ in range(settings.buffers):
            library().arv_stream_push_buffer(self._stream, library().arv_buffer_new_allocate(size_bytes))
        call("arv_camera_start_acquisition", camera)

    def _frame(self, buffer: int, captured_ns: int) -> OfferedFrame | FaultyFrame:
        aravis, name = library(), f"frame {library().arv_buffer_get_frame_id(buffer)}"
        status = aravis.arv_buffer_get_status(buffer)
        if status != _WHOLE:
            return self._faulty(name, f"the picture came incomplete (aravis' buffer status {status})", captured_ns)
        length, padding, below = ctypes.c_size_t(), ctypes.c_int(), ctypes.c_int()
        address = aravis.arv_buffer_get_image_data(buffer, ctypes.byref(length))
        aravis.arv_buffer_get_image_padding(buffer, ctypes.byref(padding), ctypes.byref(below))
        raw = np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_uint8)), (length.value,))
        try:
            image = image_of_raw(
                raw,
                aravis.arv_buffer_get_image_pixel_format(buffer),
                size=(aravis.arv_buffer_get_image_height(buffer), aravis.arv_buffer_get_image_width(buffer)),
                row_padding=padding.value,
                pixels=self._pixels,
            )
        except DataError as error:
            return self._faulty(name, str(error), captured_ns)
        return OfferedFrame(number=self._count, source=self._name, name=name, image=image, captured_ns=captured_ns)

    def _faulty(self, name: str, why: str, captured_ns: int | None = None) -> FaultyFrame:
        return FaultyFrame(
            number=self._count,
            source=self._name,
            name=name,
            captured_ns=time.monotonic_ns() if captured_ns is None else captured_ns,
            why=why,
        )

    def _underruns(self) -> int:
        counts = [ctypes.c_uint64() for _ in range(3)]
        library().arv_stream_get_statistics(self._stream, *(ctypes.byref(count) for count in counts))
        return counts[2].value

    def _require_there(self) -> None:
        """A triggered camera may be silent for long; now and then it is asked whether it is still there."""
        if time.monotonic() - self._heard_s > _ASK_AFTER_S:
            call("arv_camera_get_payload", self._camera)
            self._heard_s = time.monotonic()


class Aravis:
    """The kind; it keeps no state."""

    name = "aravis"
    settings_type = AravisSettings

    def missing(self) -> str | None:
        """Say what is not installed."""
        return library_missing() or missing_package("cv2", "line")

    def open(self, settings: AravisSettings, *, name: str, pixels: PixelRule) -> AravisSource:
        """Find the camera, set it up and start it.

        Raises:
            SourceError: It is not there, or does not take a setting.
            MissingPartError: Aravis is not installed.
        """
        return AravisSource(settings, name=name, pixels=pixels)


def _set_up(camera: Any, settings: AravisSettings) -> None:
    call("arv_camera_set_acquisition_mode", camera, _CONTINUOUS)
    if settings.pixel_format is not None:
        call("arv_camera_set_pixel_format_from_string", camera, _text(settings.pixel_format))
    if settings.trigger is not None:
        call("arv_camera_set_trigger", camera, _text(settings.trigger))
    wanted = {
        "arv_camera_set_frame_rate": settings.frames_per_s,
        "arv_camera_set_exposure_time": settings.exposure_us,
        "arv_camera_set_gain": settings.gain,
    }
    for function, value in wanted.items():
        if value is not None:
            call(function, camera, value)
    for feature, setting in settings.features.items():
        kind = {bool: "boolean", int: "integer", float: "float", str: "string"}[type(setting)]
        call(f"arv_camera_set_{kind}", camera, _text(feature), _text(setting) if isinstance(setting, str) else setting)


def _text(value: str | None) -> bytes | None:
    return None if value is None else value.encode()


SOURCE = Aravis()
