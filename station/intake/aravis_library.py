"""The parts of libaravis that a station calls, without bindings to install: Debian's `libaravis-0.8-0` is enough.

Prototypes: aravis 0.8, arvcamera.h, arvstream.h, arvbuffer.h, arvsystem.h.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint, c_uint64, c_void_p
from functools import cache
from typing import Any

from ...inspection.base.errors import MissingPartError, SourceError

_LIBRARY = "libaravis-0.8.so.0"


class _Failure(ctypes.Structure):
    """GLib's GError."""

    _fields_ = (("domain", ctypes.c_uint32), ("code", c_int), ("message", c_char_p))


_FAILURE = POINTER(POINTER(_Failure))

_FALLIBLE = {
    "arv_camera_new": (c_void_p, (c_char_p,)),
    "arv_camera_create_stream": (c_void_p, (c_void_p, c_void_p, c_void_p)),
    "arv_camera_get_payload": (c_uint, (c_void_p,)),
    "arv_camera_start_acquisition": (None, (c_void_p,)),
    "arv_camera_stop_acquisition": (None, (c_void_p,)),
    "arv_camera_set_acquisition_mode": (None, (c_void_p, c_int)),
    "arv_camera_set_pixel_format_from_string": (None, (c_void_p, c_char_p)),
    "arv_camera_set_exposure_time": (None, (c_void_p, c_double)),
    "arv_camera_set_gain": (None, (c_void_p, c_double)),
    "arv_camera_set_frame_rate": (None, (c_void_p, c_double)),
    "arv_camera_set_trigger": (None, (c_void_p, c_char_p)),
    "arv_camera_set_string": (None, (c_void_p, c_char_p, c_char_p)),
    "arv_camera_set_integer": (None, (c_void_p, c_char_p, c_int64)),
    "arv_camera_set_float": (None, (c_void_p, c_char_p, c_double)),
    "arv_camera_set_boolean": (None, (c_void_p, c_char_p, c_int)),
}
"""Functions whose last argument, not listed, takes an error."""

_SURE: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "arv_enable_interface": (None, (c_char_p,)),
    "arv_stream_push_buffer": (None, (c_void_p, c_void_p)),
    "arv_stream_timeout_pop_buffer": (c_void_p, (c_void_p, c_uint64)),
    "arv_stream_get_statistics": (None, (c_void_p, POINTER(c_uint64), POINTER(c_uint64), POINTER(c_uint64))),
    "arv_buffer_new_allocate": (c_void_p, (c_size_t,)),
    "arv_buffer_get_status": (c_int, (c_void_p,)),
    "arv_buffer_get_frame_id": (c_uint64, (c_void_p,)),
    "arv_buffer_get_image_data": (c_void_p, (c_void_p, POINTER(c_size_t))),
    "arv_buffer_get_image_pixel_format": (c_uint, (c_void_p,)),
    "arv_buffer_get_image_width": (c_int, (c_void_p,)),
    "arv_buffer_get_image_height": (c_int, (c_void_p,)),
    "arv_buffer_get_image_padding": (None, (c_void_p, POINTER(c_int), POINTER(c_int))),
}


def library_missing() -> str | None:
    """Say that libaravis is absent and how to get it, or None."""
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        return f"{_LIBRARY} is not installed; run: apt install libaravis-0.8-0"
    return None


@cache
def library() -> Any:
    """Load libaravis and declare its prototypes to ctypes.

    Raises:
        MissingPartError: It is not installed.
    """
    if (missing := library_missing()) is not None:
        raise MissingPartError(missing)
    found = ctypes.CDLL(_LIBRARY)
    fallible: dict[str, tuple[Any, tuple[Any, ...]]] = {
        name: (gives, (*takes, _FAILURE)) for name, (gives, takes) in _FALLIBLE.items()
    }
    for name, (gives, takes) in {**fallible, **_SURE}.items():
        getattr(found, name).restype, getattr(found, name).argtypes = gives, takes
    found.g_object_unref.restype, found.g_object_unref.argtypes = None, (c_void_p,)
    return found


def call(name: str, *arguments: Any) -> Any:
    """Call a function that may fail.

    Raises:
        SourceError: It did; the message is aravis' own.
    """
    failure = POINTER(_Failure)()
    result = getattr(library(), name)(*arguments, byref(failure))
    if failure:
        text = (failure.contents.message or b"?").decode(errors="replace")
        library().g_error_free(failure)
        msg = f"{name.removeprefix('arv_camera_').replace('_', ' ')}: {text}"
        raise SourceError(msg)
    return result
