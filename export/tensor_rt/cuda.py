"""The dozen functions of CUDA's runtime that a session needs, through ctypes.

Every JetPack has `libcudart.so`, offline; a Python binding (cuda-python, PyCUDA) would be one more wheel to bring to a
factory, built for one Python and one CUDA. The functions below have had the same form since CUDA 11.4; what they are
declared with is compared with the headers of CUDA 12.6 and 13 in the tests.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Sequence
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_uint, c_ulonglong, c_void_p
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ...inspection.base.errors import GpuError, MissingPartError

TO_DEVICE: Final = 1
"""cudaMemcpyHostToDevice."""

TO_HOST: Final = 2
"""cudaMemcpyDeviceToHost."""

_NON_BLOCKING = 1  # cudaStreamNonBlocking: does not wait for the default stream
_RELAXED = 2  # cudaStreamCaptureModeRelaxed: other threads of the process may go on using CUDA
_OUT_OF_MEMORY = 2  # cudaErrorMemoryAllocation
_VERSIONS = (13, 12)
_HANDLE = POINTER(c_void_p)

PROTOTYPES = MappingProxyType(
    {
        "cudaMalloc": (_HANDLE, c_size_t),
        "cudaFree": (c_void_p,),
        "cudaHostAlloc": (_HANDLE, c_size_t, c_uint),
        "cudaFreeHost": (c_void_p,),
        "cudaMemcpyAsync": (c_void_p, c_void_p, c_size_t, c_int, c_void_p),
        "cudaStreamCreateWithFlags": (_HANDLE, c_uint),
        "cudaStreamSynchronize": (c_void_p,),
        "cudaStreamDestroy": (c_void_p,),
        "cudaStreamBeginCapture": (c_void_p, c_int),
        "cudaStreamEndCapture": (c_void_p, _HANDLE),
        "cudaGraphInstantiateWithFlags": (_HANDLE, c_void_p, c_ulonglong),
        "cudaGraphLaunch": (c_void_p, c_void_p),
        "cudaGraphDestroy": (c_void_p,),
        "cudaGraphExecDestroy": (c_void_p,),
        "cudaGetLastError": (),
    }
)
"""Arguments of each function that gives a `cudaError_t`."""


class Cuda:
    """CUDA's runtime on the first GPU; each call that fails raises `GpuError`."""

    def __init__(self, library: Any) -> None:
        for name, arguments in PROTOTYPES.items():
            function = getattr(library, name)
            function.argtypes, function.restype = list(arguments), c_int
        library.cudaGetErrorString.argtypes, library.cudaGetErrorString.restype = [c_int], c_char_p
        self._library = library

    def device_memory(self, size_bytes: int) -> int:
        """Take memory on the GPU; gives its address."""
        return self._handle("cudaMalloc", size_bytes)

    def pinned_memory(self, size_bytes: int) -> int:
        """Take host memory that is never paged out, so that the GPU can copy from and to it by itself."""
        return self._handle("cudaHostAlloc", size_bytes, 0)

    def free(self, address: int) -> None:
        """Give device memory back."""
        self._call("cudaFree", address)

    def free_pinned(self, address: int) -> None:
        """Give pinned memory back."""
        self._call("cudaFreeHost", address)

    def copy(self, target: int, source: int, size_bytes: int, *, direction: int, stream: int) -> None:
        """Queue a copy; it is done when the stream has got there."""
        self._call("cudaMemcpyAsync", target, source, size_bytes, direction, stream)

    def stream(self) -> int:
        """Make a queue of work."""
        return self._handle("cudaStreamCreateWithFlags", _NON_BLOCKING)

    def synchronize(self, stream: int) -> None:
        """Wait until all work in a stream is done."""
        self._call("cudaStreamSynchronize", stream)

    def destroy_stream(self, stream: int) -> None:
        """Remove a queue."""
        self._call("cudaStreamDestroy", stream)

    def begin_capture(self, stream: int) -> None:
        """Note what is queued from now on instead of doing it."""
        self._call("cudaStreamBeginCapture", stream, _RELAXED)

    def end_capture(self, stream: int) -> int:
        """Give what was noted as a graph that can be launched, see `launch`."""
        graph = self._handle_of("cudaStreamEndCapture", stream)
        try:
            return self._handle("cudaGraphInstantiateWithFlags", graph, 0)
        finally:
            self._call("cudaGraphDestroy", graph)

    def abandon_capture(self, stream: int) -> None:
        """End a capture that failed; what went wrong was told already, so errors are swept away."""
        graph = c_void_p()
        self._library.cudaStreamEndCapture(stream, ctypes.byref(graph))
        if graph.value:
            self._library.cudaGraphDestroy(graph)
        self._library.cudaGetLastError()

    def launch(self, graph: int, stream: int) -> None:
        """Queue a whole captured graph."""
        self._call("cudaGraphLaunch", graph, stream)

    def destroy_graph(self, graph: int) -> None:
        """Remove a captured graph."""
        self._call("cudaGraphExecDestroy", graph)

    def _handle(self, name: str, *arguments: int) -> int:
        """Call a function whose first argument is where it leaves its answer."""
        handle = c_void_p()
        self._call(name, ctypes.byref(handle), *arguments)
        return handle.value or 0

    def _handle_of(self, name: str, *arguments: int) -> int:
        """Call a function whose last argument is where it leaves its answer."""
        handle = c_void_p()
        self._call(name, *arguments, ctypes.byref(handle))
        return handle.value or 0

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            reason = (self._library.cudaGetErrorString(code) or b"").decode(errors="replace")
            way_out = "end other programs on the GPU" if code == _OUT_OF_MEMORY else "restart the device if it stays"
            msg = f"{name}: wanted success of the GPU, got error {code} ({reason}); {way_out}"
            raise GpuError(msg)


def open_cuda(driver: str) -> Cuda:
    """Open CUDA's runtime; `driver` as for `cuda_library`.

    Raises:
        MissingPartError: There is none.
    """
    library = cuda_library(driver)
    if library is None:
        msg = f"wanted CUDA's runtime (libcudart.so) up to {driver}, got none; `beltline doctor` says how to get it"
        raise MissingPartError(msg)
    return Cuda(library)


@cache
def cuda_library(driver: str) -> Any | None:
    """Load `libcudart`, the newest that the driver takes; None: there is none. Harmless without a GPU.

    Args:
        driver: The newest CUDA that the driver knows, such as `12.6`.
    """
    newest = int(driver.partition(".")[0])
    candidates = _candidates([str(version) for version in _VERSIONS if version <= newest])
    return next((library for name in candidates if (library := _loaded(name)) is not None), None)


def _loaded(name: str) -> Any | None:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def _candidates(versions: Sequence[str]) -> Iterator[str]:
    """Give names for the system's loader, JetPack's folder, then what pip installs."""
    for version in versions:
        yield f"libcudart.so.{version}"
    for version in versions:
        yield from (f"/usr/local/cuda/lib64/libcudart.so.{version}", f"/usr/local/cuda-{version}/lib64/libcudart.so")
    for version in versions:
        for folder in sys.path:
            yield from (str(path) for path in Path(folder).glob(f"nvidia/*/lib/libcudart.so.{version}"))
