"""What the studies of pruning share: networks timed on this machine without a run around them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ...benchmarks.timing.engine_timing import EngineBench, Graphs
from ...compress.recipe import GraphContext, methods
from ...export.artifacts import backend_packages
from ...export.contracts import Frame
from ...export.graph_file import open_graph
from ...export.to_onnx import export_graph
from ...inspection.base.storage import digest_of_file
from ...inspection.data.frame import FrameSpec
from ...targets.fingerprint import fingerprint, weight_bits
from ...targets.host import Host, LocalHost
from ...targets.profile import target_of

_FRAMES = 16
_CALIBRATION_FRAMES = 16


def local_bench(backend: str, frames: Sequence[Frame], *, int8: bool, threads: int | None, folder: Path) -> EngineBench:
    """Make what times networks on this machine.

    Args:
        backend: Name of the runtime.
        frames: Camera frames, at least 2 different ones; also what int8 is calibrated with.
        int8: Whether networks are quantized first.
        threads: Of the engine; None: as the machine's profile says.
        folder: Where exported graphs and measured times are kept.
    """
    return EngineBench(
        backend=backend,
        target=target_of("local", threads=threads),
        machine=fingerprint(backend_packages(backend)),
        frames=tuple(frames),
        graphs=graphs_in(folder / "graphs", backend, frames if int8 else ()),
        host=_here,
        cache=folder / "times",
        progress=print_progress,
    )


def graphs_in(folder: Path, backend: str, calibration: Sequence[Frame]) -> Callable[[Path], Graphs]:
    """Give what exports checkpoints, each once, and quantizes them where there are frames to calibrate with.

    Args:
        folder: Where the graphs are kept.
        backend: Name of the runtime that they are for.
        calibration: Arrays as sessions take them; none: nothing is quantized.
    """

    def graphs(checkpoint: Path) -> Graphs:
        place = folder / digest_of_file(checkpoint).removeprefix("sha256:")[:16]
        plain, quantized = place / "model.onnx", place / "int8.onnx"
        if not plain.is_file():
            place.mkdir(parents=True, exist_ok=True)
            export_graph(checkpoint, place)
        if calibration and not quantized.is_file():
            _quantize(plain, quantized, backend, calibration[:_CALIBRATION_FRAMES])
        return Graphs(exported=open_graph(plain), final=open_graph(quantized if calibration else plain))

    return graphs


def noise_frames(spec: FrameSpec) -> tuple[Frame, ...]:
    """Draw frames of noise, of the size that a network is trained for."""
    random = np.random.default_rng(0)
    shape = (spec.frame_height or spec.height, spec.frame_width or spec.width, spec.channels)
    return tuple(random.integers(0, 256, shape, dtype=np.uint8) for _ in range(_FRAMES))


def write_untrained(path: Path, network: dict[str, object], spec: FrameSpec) -> None:
    """Write a network as it comes from its seed: engines take as long for any weights."""
    import torch

    from ...compress.checkpoint import Checkpoint, save_checkpoint
    from ...compress.networks.base.families import build_network, normal_network
    from ...compress.networks.base.inspector import Inspector

    torch.manual_seed(0)
    full = normal_network(network)
    inspector = Inspector(build_network(full, spec.planes), spec).eval()
    save_checkpoint(path, Checkpoint(network=full, frame=spec, lineage=("untrained",), inspector=inspector))


def print_progress(what: str, done: int, of: int) -> None:
    """Write what is being done on one line of stderr."""
    sys.stderr.write(f"\r{what} {done}/{of} ")
    sys.stderr.flush()


@contextmanager
def _here() -> Iterator[Host]:
    yield LocalHost()


def _quantize(source: Path, target: Path, backend: str, frames: Sequence[Frame]) -> None:
    method = methods()["quantize"]
    context = GraphContext(
        target_file=target,
        calibration=lambda: iter(frames),
        calibration_count=len(frames),
        backend=backend,
        progress=lambda _what, _done, _of: None,
        reference=open_graph(source).frame.reference,
        weight_bits=weight_bits(fingerprint(())),
    )
    method.apply(source, method.step_type(), context)
