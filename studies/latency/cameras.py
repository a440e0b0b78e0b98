"""How long do frames of real cameras take? `python -m beltline.studies.latency.cameras`.

Four ways to the same network (`plain`, width 16, depth 2, FP32, untrained: engines take as long for any weights),
interleaved frame by frame: as Beltline prepares frames; shrunk by OpenCV's own INTER_AREA; the network alone, on a
frame that is shrunk already; and with the frame stretched inside the graph, as it was before. Peak memory is this
process's.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ...export.artifacts import backends
from ...export.contracts import Frame, Session
from ...export.sessions import open_session
from ...export.to_onnx import export_graph
from ...inspection.data.frame import FrameSpec
from ...inspection.data.preparation import prepared, resized
from ...targets.target import Target
from ..compression.timed_networks import write_untrained

CAMERAS = (((2048, 2448, 1), (512, 608)), ((2048, 2448, 3), (512, 608)), ((3000, 4096, 3), (768, 1024)))
"""Camera frame and network input, as in issue 20."""

WAYS = ("beltline", "INTER_AREA + network", "network alone", "stretched in the graph")
_NETWORK: dict[str, object] = {"family": "plain", "width": 16, "depth": 2}


def measure(
    camera: tuple[int, int, int], size: tuple[int, int], *, backend: str, threads: int, rounds: int
) -> list[float]:
    """Time every way, interleaved.

    Args:
        camera: Height, width and channels of a frame.
        size: Height and width that the network takes.
        backend: Name of the runtime.
        threads: Of the runtime and of OpenCV.
        rounds: Frames of each way, after three that are not counted.

    Returns:
        Milliseconds in the order of `WAYS`, medians.
    """
    cv2.setNumThreads(threads)
    height, width, channels = camera
    area = FrameSpec(
        height=size[0],
        width=size[1],
        channels=channels,
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
        frame_height=height,
        frame_width=width,
        resize="area",
    )
    frame = np.random.default_rng(0).integers(0, 256, camera, np.uint8)
    small = prepared(frame, area)
    with tempfile.TemporaryDirectory() as folder:
        sessions = [_session(Path(folder), spec, backend, threads) for spec in (area, area.in_graph, _before(area))]
        with sessions[0] as whole, sessions[1] as alone, sessions[2] as before:
            ways: tuple[Callable[[], object], ...] = (
                lambda: whole.infer(frame),
                lambda: alone.infer(_by_opencv(frame, size)),
                lambda: alone.infer(small),
                lambda: before.infer(frame),
            )
            return _interleaved(ways, rounds)


def read_gb_s(frame_bytes: int = 1 << 28) -> float:
    """Measure how fast memory is read: the largest of many bytes, in GB/s."""
    values = np.ones(frame_bytes, np.uint8)
    values.max()
    started = time.perf_counter()
    values.max()
    return frame_bytes / (time.perf_counter() - started) / 1e9


def main(argv: Sequence[str]) -> int:
    """Print a table for each backend."""
    parser = argparse.ArgumentParser(prog="cameras", description="How long do frames of real cameras take?")
    parser.add_argument("--backends", nargs="+", default=["open_vino"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args(argv)
    sys.stdout.write(f"memory is read at {read_gb_s():.1f} GB/s\n\n")
    sys.stdout.write("| backend | camera -> network | shrinking alone | " + " | ".join(WAYS) + " | ratio |\n")
    sys.stdout.write("| --- " * (len(WAYS) + 4) + "|\n")
    for backend in options.backends:
        for camera, size in CAMERAS:
            times = measure(camera, size, backend=backend, threads=options.threads, rounds=options.rounds)
            shrinking = _shrinking_ms(camera, size, options.rounds)
            cells = " | ".join(f"{each:.2f}" for each in (shrinking, *times))
            sys.stdout.write(
                f"| {backend} | {'x'.join(map(str, camera))} -> {'x'.join(map(str, size))} | {cells} | "
                f"{times[0] / times[1]:.2f} |\n"
            )
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"peak memory of this process, with all of them open in turn: {peak_mb:.0f} MB\n")
    return 0


def _before(spec: FrameSpec) -> FrameSpec:
    return replace(spec, resize="bilinear")


def _by_opencv(frame: Frame, size: tuple[int, int]) -> Frame:
    shrunk = cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk.reshape(*size, frame.shape[2]), np.uint8)


def _shrinking_ms(camera: tuple[int, int, int], size: tuple[int, int], rounds: int) -> float:
    frame = np.random.default_rng(0).integers(0, 256, camera, np.uint8)
    return _interleaved((lambda: resized(frame, *size),), rounds)[0]


def _session(folder: Path, spec: FrameSpec, backend: str, threads: int) -> Session:
    place = Path(tempfile.mkdtemp(dir=folder))
    write_untrained(place / "model.safetensors", _NETWORK, spec)
    graph = export_graph(place / "model.safetensors", place)
    built = place / "built"
    built.mkdir()
    target = Target(name="local", threads=threads, cpus=tuple(range(threads)))
    artifact = backends()[backend].build(graph, target, built)
    return open_session(backends()[backend], artifact, threads=threads)


def _interleaved(ways: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    times: list[list[float]] = [[] for _ in ways]
    for number in range(rounds + 3):
        for place, way in enumerate(ways):
            started = time.perf_counter_ns()
            way()
            if number >= 3:
                times[place].append((time.perf_counter_ns() - started) / 1e6)
    return [float(np.median(each)) for each in times]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
