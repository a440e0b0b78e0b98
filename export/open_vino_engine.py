"""What the OpenVINO backends have in common: the IR, the session, and which device a model is compiled for.

A device is chosen from those that the runtime lists, never by trying one after the other. After compiling, the runtime
is asked on what the model really executes; anything else than the device asked for is refused. So AUTO is not offered:
it starts on the CPU and moves later, and what was measured would not be what runs.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from typing_extensions import Self

from ..inspection.base.errors import GraphError, MissingPartError
from ..inspection.data.frame import FrameSpec
from ..targets.target import Target
from .artifacts import artifact_of, require_runs
from .contracts import Artifact, Backend, Decision, Frame, Graph, Precision
from .frame_check import graph_inputs

_LIST = "import openvino; print('\\n'.join(openvino.Core().available_devices))"
_LISTING_TIMEOUT_S = 60


class OpenVinoSession:
    """A compiled model with one request, used over and over.

    Attributes:
        runs_on: The device that executes it, as the runtime calls it, such as `GPU.0 (Intel(R) Iris(R) Xe Graphics)`.
    """

    def __init__(self, compiled: Any, spec: FrameSpec, runs_on: str) -> None:
        self.runs_on = runs_on
        self._compiled = compiled
        self._request = compiled.create_infer_request()
        self._spec = spec
        self._static = compiled.input("frame").partial_shape.is_static

    def __enter__(self) -> Self:
        """Give the session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the engine."""
        self._request = self._compiled = None

    def infer(self, frame: Frame) -> Decision:
        """Decide on one frame.

        Raises:
            DataError: The frame is not what the model takes.
        """
        given = graph_inputs(frame, self._spec)
        for name, array in given.arrays.items():
            self._fill_input(name, array)
        started_ns = time.perf_counter_ns()
        self._request.infer()
        ended_ns = time.perf_counter_ns()
        return Decision(
            score=given.judged(float(self._request.get_tensor("score").data)),
            heatmap=np.array(self._request.get_tensor("heatmap").data),
            engine_start_ns=started_ns,
            engine_end_ns=ended_ns,
            alignment=given.alignment,
            aligned=given.aligned,
            kinds=np.array(self._request.get_tensor("kinds").data) if self._spec.kinds else None,
        )

    def _fill_input(self, name: str, pixels: Frame) -> None:
        """Copy into the request's own input tensor; where frames differ in size it takes the frame's shape first."""
        tensor = self._request.get_tensor(name)
        if not self._static:
            tensor.shape = pixels.shape
        tensor.data[:] = pixels


def built_ir(
    backend: Backend, graph: Graph, *, target: Target, folder: Path, precision: Precision | None = None
) -> Artifact:
    """Convert a graph, with the input's size fixed where every frame has one size, and try it once.

    Args:
        backend: The one that runs it.
        graph: What to convert.
        target: What it is built for.
        folder: Where the IR goes.
        precision: What the device computes in; None: the graph's.

    Raises:
        GraphError: OpenVINO does not take the graph.
        MissingPartError: OpenVINO or the device is not there.
    """
    path = folder / "model.xml"
    save_ir(graph, path)
    artifact = artifact_of(path, graph=graph, backend=backend.name, target=target)
    artifact = replace(artifact, precision=precision or artifact.precision)
    require_runs(backend, artifact)
    return artifact


def save_ir(graph: Graph, path: Path) -> None:
    """Convert a graph to OpenVINO's IR, with the input's size fixed where every frame has one size.

    Raises:
        GraphError: OpenVINO does not take the graph.
    """
    import openvino

    frame = graph.frame.in_graph
    height, width = frame.frame_height, frame.frame_width
    try:
        model = openvino.Core().read_model(graph.path)
        _simplify(model)
        if height is not None and width is not None:
            depths = {"frame": frame.channels, "reference": frame.channels + 1}
            names = [each.any_name for each in model.inputs]
            model.reshape({name: [height, width, depths[name]] for name in names})
        openvino.save_model(model, path, compress_to_fp16=False)
    except RuntimeError as error:
        msg = f"{graph.path}: OpenVINO does not take it: {error}"
        raise GraphError(msg) from error


def opened(path: Path, spec: FrameSpec, *, kind: str, options: Mapping[str, str]) -> OpenVinoSession:
    """Compile an IR for the first listed device of a kind, and make sure that it executes there.

    Args:
        path: The `.xml` file.
        spec: How the model treats frames.
        kind: `CPU`, `GPU` or `NPU`.
        options: Properties to compile with.

    Raises:
        GraphError: The device does not take the model; the message holds the runtime's own words.
        MissingPartError: No such device is listed, or the model executes on another one.
    """
    import openvino

    core = openvino.Core()
    device = device_of(kind, core.available_devices)
    try:
        compiled = core.compile_model(path, device, dict(options))
    except RuntimeError as error:
        msg = f"{path}: OpenVINO does not take it on {device}: {error}"
        raise GraphError(msg) from error
    require_device(device, compiled.get_property("EXECUTION_DEVICES"))
    return OpenVinoSession(compiled, spec, f"{device} ({core.get_property(device, 'FULL_DEVICE_NAME')})")


def device_of(kind: str, listed: Sequence[str]) -> str:
    """Choose from the devices that the runtime lists.

    Args:
        kind: `CPU`, `GPU` or `NPU`.
        listed: Such as `["CPU", "GPU.0", "GPU.1"]`.

    Returns:
        The first of its kind in that list; of several GPUs the first is the processor's own.

    Raises:
        MissingPartError: None is listed.

    >>> device_of("GPU", ["CPU", "GPU.0", "GPU.1"])
    'GPU.0'
    """
    found = [name for name in listed if name.split(".")[0] == kind]
    if not found:
        msg = f"open_vino: wanted a {kind}, OpenVINO lists {', '.join(listed) or 'no device'}; {_driver(kind)}"
        raise MissingPartError(msg)
    return found[0]


def require_device(asked: str, executing: Sequence[str]) -> None:
    """Refuse a model that executes elsewhere than asked.

    Raises:
        MissingPartError: It does; the message names both.
    """
    if list(executing) != [asked]:
        msg = (
            f"open_vino: asked for {asked}, the model executes on {', '.join(executing) or 'nothing'}; "
            "choose the backend of the device that it shall run on"
        )
        raise MissingPartError(msg)


def missing_device(kind: str, nodes: str) -> str | None:
    """Say why no GPU or NPU can be used here, or None where the runtime lists one; OpenVINO must be installed.

    The kernel is asked first, the runtime in a process of its own: a broken driver may take the process with it.

    Args:
        kind: `GPU` or `NPU`.
        nodes: Pattern of the device files that the kernel makes for it, below `/dev`.
    """
    if not any(Path("/dev").glob(nodes)):
        return f"this machine has no {kind} that its kernel knows (no /dev/{nodes})"
    listed = _listed()
    if any(name.split(".")[0] == kind for name in listed):
        return None
    return f"OpenVINO lists {', '.join(listed) or 'no device'}, no {kind}; {_driver(kind)}"


@cache
def _listed() -> tuple[str, ...]:
    argv = [sys.executable, "-c", _LIST]
    try:
        answer = subprocess.run(argv, capture_output=True, text=True, timeout=_LISTING_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return ()
    return tuple(answer.stdout.split()) if answer.returncode == 0 else ()


def _driver(kind: str) -> str:
    """Say what makes the runtime list a device (OpenVINO's documentation, Additional Configurations for Hardware)."""
    return {
        "GPU": "run: apt-get install intel-opencl-icd, and add yourself to the group render",
        "NPU": "install the driver from https://github.com/intel/linux-npu-driver/releases",
    }.get(kind, "reinstall openvino")


def _simplify(model: Any) -> None:
    """Fold what is constant and give the nodes that it makes steady names, in place.

    This halves `model.xml`. It is what `openvino.convert_model` runs, called by itself because that function also
    reports usage over the network. Made-up names count up over the process's life; numbered in graph order, the same
    graph gives the same bytes.
    """
    from openvino._offline_transformations import apply_moc_transformations

    named = {node.get_friendly_name() for node in model.get_ops() if node.get_friendly_name() != node.get_name()}
    apply_moc_transformations(model, cf=True, smart_reshape=False)
    for position, node in enumerate(model.get_ordered_ops()):
        if node.get_friendly_name() not in named:
            node.set_friendly_name(f"{node.get_type_name()}_{position}")
