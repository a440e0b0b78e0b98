"""A tensor of an engine: pinned memory on the host, memory on the GPU, and the way between them."""

from __future__ import annotations

import ctypes
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cuda import TO_DEVICE, TO_HOST, Cuda


class TensorMemory:
    """Room for one tensor, on both sides, that grows when a larger one comes."""

    def __init__(self, cuda: Cuda, dtype: type[np.generic]) -> None:
        self._cuda = cuda
        self._dtype = np.dtype(dtype)
        self._room_bytes = self._size_bytes = 0
        self._host_address = self.device_address = 0
        self.host: NDArray[Any] = np.empty(0, self._dtype)

    def take_shape(self, shape: tuple[int, ...]) -> bool:
        """Make room for a shape; gives whether addresses changed."""
        self._size_bytes = prod(shape) * self._dtype.itemsize
        moved = self._size_bytes > self._room_bytes
        if moved:
            self.free()
            self.device_address = self._cuda.device_memory(self._size_bytes)
            self._host_address = self._cuda.pinned_memory(self._size_bytes)
            self._room_bytes = self._size_bytes
        raw = (ctypes.c_uint8 * self._size_bytes).from_address(self._host_address)
        self.host = np.ctypeslib.as_array(raw).view(self._dtype).reshape(shape)
        return moved

    def to_device(self, stream: int) -> None:
        """Queue the copy to the GPU."""
        self._cuda.copy(self.device_address, self._host_address, self._size_bytes, direction=TO_DEVICE, stream=stream)

    def to_host(self, stream: int) -> None:
        """Queue the copy from the GPU."""
        self._cuda.copy(self._host_address, self.device_address, self._size_bytes, direction=TO_HOST, stream=stream)

    def free(self) -> None:
        """Give all memory back; `host` must not be used any more."""
        self.host = np.empty(0, self._dtype)
        if self._room_bytes:
            self._cuda.free(self.device_address)
            self._cuda.free_pinned(self._host_address)
            self._room_bytes = self._host_address = self.device_address = 0
