"""Ask NVIDIA's driver what GPU there is: `python -I probe.py` prints one JSON object.

A program of its own: a broken driver may end the process that asks it, and TensorRT without a driver does. It needs
the standard library only, so that the answer comes in a moment.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
from typing import Any

_LIBRARY = "libcuda.so.1"
_NAME_BYTES = 256
_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE
_MULTIPROCESSORS, _MAJOR, _MINOR = 16, 75, 76  # CUdevice_attribute, cuda.h


def gpu_facts(load: Callable[[str], Any] = ctypes.CDLL) -> dict[str, Any]:
    """Look for a driver and a GPU.

    Args:
        load: Opens a shared library by name; another one in tests.

    Returns:
        `name`, `compute` (such as `8.7`), `multiprocessors`, `driver` (the CUDA it knows, such as `12.6`) and
        `devices`; or `missing` (`driver` or `gpu`) and `seen` (what the driver answered).
    """
    try:
        driver = load(_LIBRARY)
    except OSError as error:
        return {"missing": "driver", "seen": str(error)}
    if code := driver.cuInit(0):
        return {"missing": "gpu" if code == _NO_DEVICE else "driver", "seen": f"cuInit gives {_named(driver, code)}"}
    count = ctypes.c_int()
    driver.cuDeviceGetCount(ctypes.byref(count))
    if count.value < 1:
        return {"missing": "gpu", "seen": "the driver counts no device"}
    return {"devices": count.value, **_described(driver)}


def _described(driver: Any) -> dict[str, Any]:
    device, version, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(_NAME_BYTES)
    driver.cuDeviceGet(ctypes.byref(device), 0)
    driver.cuDeviceGetName(name, _NAME_BYTES, device)
    driver.cuDriverGetVersion(ctypes.byref(version))
    return {
        "name": name.value.decode(errors="replace"),
        "compute": f"{_attribute(driver, device, _MAJOR)}.{_attribute(driver, device, _MINOR)}",
        "multiprocessors": _attribute(driver, device, _MULTIPROCESSORS),
        "driver": f"{version.value // 1000}.{version.value % 1000 // 10}",
    }


def _attribute(driver: Any, device: ctypes.c_int, which: int) -> int:
    value = ctypes.c_int()
    driver.cuDeviceGetAttribute(ctypes.byref(value), which, device)
    return value.value


def _named(driver: Any, code: int) -> str:
    name = ctypes.c_char_p()
    driver.cuGetErrorName(code, ctypes.byref(name))
    return f"{code} ({(name.value or b'unknown').decode(errors='replace')})"


if __name__ == "__main__":
    print(json.dumps(gpu_facts()))  # noqa: T201 - its answer
