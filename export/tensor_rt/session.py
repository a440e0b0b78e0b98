"""An open engine: one frame in, where it compares its reference too, one decision out, nothing left on the GPU's queue.

Copy in, engine and copies out stand in one CUDA stream. Where all frames have one size they are captured once as a CUDA
graph and launched as one call a frame; an engine that cannot be captured is queued step by step as before.
"""

from __future__ import annotations

import ctypes
import time
from math import prod
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from ...inspection.base.errors import DataError, GpuError, GraphError
from ...inspection.data.frame import FrameSpec
from ..contracts import Decision, Frame
from ..frame_check import graph_inputs
from .cuda import TO_DEVICE, TO_HOST, Cuda
from .listening import joined, listen

_OUTPUTS = ("score", "heatmap")


class TensorRtSession:
    """Device buffers, stream and engine; all of it is freed on exit."""

    def __init__(self, trt: Any, engine: bytes, spec: FrameSpec, cuda: Cuda) -> None:
        self._log = listen(trt)
        self._runtime = trt.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(engine)
        if self._engine is None:
            msg = f"TensorRT {trt.__version__} does not open the engine it built: {joined(self._log.errors)}"
            raise GraphError(msg)
        self._inputs = ("frame", "reference") if spec.reference else ("frame",)
        self._outputs = (*_OUTPUTS, "kinds") if spec.kinds else _OUTPUTS
        _require_tensors(trt, self._engine, self._inputs, self._outputs)
        self._context = self._engine.create_execution_context()
        if self._context is None:
            msg = f"TensorRT has no room to run the engine: {joined(self._log.errors)}; end other programs on the GPU"
            raise GpuError(msg)
        self._spec, self._cuda = spec, cuda
        self._fixed = _only_shape(self._engine)
        self._stream, self._graph = cuda.stream(), 0
        tensors = (*self._inputs, *self._outputs)
        self._memory = {name: TensorMemory(cuda, trt.nptype(self._engine.get_tensor_dtype(name))) for name in tensors}
        self._shape: tuple[int, ...] = ()

    def __enter__(self) -> Self:
        """Give the session itself; where the size is known, everything is set up before the first frame."""
        if self._fixed is not None:
            self._take_shape(self._fixed)
            self._capture()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the engine and all memory."""
        if self._graph:
            self._cuda.destroy_graph(self._graph)
        for memory in self._memory.values():
            memory.free()
        if self._stream:
            self._cuda.destroy_stream(self._stream)
        self._graph = self._stream = 0
        self._context = self._engine = self._runtime = None

    @property
    def captured(self) -> bool:
        """Whether a frame is one launch of a CUDA graph."""
        return bool(self._graph)

    def infer(self, frame: Frame) -> Decision:
        """Decide on one frame; returns when the decision is in host memory.

        Raises:
            DataError: The frame is not what the model takes, or of a size that the engine was not built for.
            GpuError: The GPU failed.
        """
        given = graph_inputs(frame, self._spec)
        if (shape := given.arrays["frame"].shape) != self._shape:
            self._take_shape(shape)
        for name, array in given.arrays.items():
            np.copyto(self._memory[name].host, array)
        started_ns = time.perf_counter_ns()
        if self._graph:
            self._cuda.launch(self._graph, self._stream)
        else:
            self._queue()
        self._cuda.synchronize(self._stream)
        ended_ns = time.perf_counter_ns()
        return Decision(
            score=given.judged(float(self._memory["score"].host.reshape(-1)[0])),
            heatmap=self._memory["heatmap"].host.copy(),
            engine_start_ns=started_ns,
            engine_end_ns=ended_ns,
            alignment=given.alignment,
            aligned=given.aligned,
            kinds=self._memory["kinds"].host.copy() if "kinds" in self._memory else None,
        )

    def _take_shape(self, shape: tuple[int, ...]) -> None:
        """Set the engine and its memory to a frame's size; a reference is as large, one channel deeper."""
        for name in self._inputs:
            wanted = shape if name == "frame" else (*shape[:2], shape[2] + 1)
            if not self._context.set_input_shape(name, wanted):
                least, _, most = (tuple(each) for each in self._engine.get_tensor_profile_shape(name, 0))
                msg = (
                    f"{name}: the engine was built for {least} to {most}, got {wanted}; bundle with the line's frame "
                    "sizes"
                )
                raise DataError(msg)
        self._shape = shape
        for name, memory in self._memory.items():
            if memory.take_shape(tuple(self._context.get_tensor_shape(name))):
                self._context.set_tensor_address(name, memory.device_address)

    def _queue(self) -> None:
        for name in self._inputs:
            self._memory[name].to_device(self._stream)
        if not self._context.execute_async_v3(self._stream):
            msg = f"TensorRT did not run the engine: {joined(self._log.errors)}"
            raise GpuError(msg)
        for name in self._outputs:
            self._memory[name].to_host(self._stream)

    def _capture(self) -> None:
        """Capture a frame's work, after it has run once as TensorRT asks for; what cannot be captured is not."""
        for name in self._inputs:
            self._memory[name].host.fill(0)
        self._queue()
        self._cuda.synchronize(self._stream)
        self._cuda.begin_capture(self._stream)
        try:
            self._queue()
            self._graph = self._cuda.end_capture(self._stream)
        except GpuError:
            self._cuda.abandon_capture(self._stream)


def _only_shape(engine: Any) -> tuple[int, ...] | None:
    """Give the one shape of frames that an engine takes; None: it takes several."""
    shape = tuple(engine.get_tensor_shape("frame"))
    if -1 not in shape:
        return shape
    least, _, most = (tuple(each) for each in engine.get_tensor_profile_shape("frame", 0))
    return least if least == most else None


def _require_tensors(trt: Any, engine: Any, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    taken = {name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT}
    if taken != set(inputs) or set(names) != {*inputs, *outputs}:
        msg = f"engine: wanted inputs {inputs} and outputs {outputs}, got {names}; build the artifact again"
        raise GraphError(msg)


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
