"""What does comparing with a reference cost? `python -m beltline.studies.latency.comparing`.

The same student (`plain`, width 12, untrained: engines take as long for any weights) without and with a reference,
interleaved frame by frame in one process, from frame to decision. The reference lies where it should, as a template
does, or is moved by up to 5 % of the frame, 1.2 degrees and 1.5 %, as a camera sees it. Drawn boards; parts of one
product come after each other, so that what depends on the reference alone is known.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...export.artifacts import backends
from ...export.contracts import Frame, Session
from ...export.sessions import open_session
from ...inspection.data.frame import FrameSpec
from ...inspection.references.pairs import pair_of
from ...inspection.statistics.quantile import quantile, quantiles
from ...targets.target import Target
from ..compression.timed_networks import graphs_in, write_untrained
from ..quality.alignment import drawn

SIZES = (128, 640)
WAYS = ("without", "reference in place", "reference moved")
_WIDTH, _BOARDS, _NOT_COUNTED = 12, 16, 5
_RESAMPLED, _CONFIDENCE = 1_000, 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long the frames of one way took.

    Attributes:
        whole_ms: From frame to decision, `[frames]`.
        pre_ms: The part before the engine: checks, and moving the reference.
    """

    whole_ms: NDArray[np.float64]
    pre_ms: NDArray[np.float64]


def ratio_of_medians(times: Times, base: Times) -> tuple[float, float, float]:
    """Give the ratio of two medians and its 95 % interval, by resampling the rounds, which both ways share.

    >>> steady = Times(whole_ms=np.full(9, 2.0), pre_ms=np.zeros(9))
    >>> ratio_of_medians(Times(whole_ms=np.full(9, 3.0), pre_ms=np.zeros(9)), steady)
    (1.5, 1.5, 1.5)
    """
    rounds = len(base.whole_ms)
    chosen = np.random.default_rng(0).integers(0, rounds, (_RESAMPLED, rounds))
    ratios = np.median(times.whole_ms[chosen], axis=1) / np.median(base.whole_ms[chosen], axis=1)
    low, high = quantiles(ratios, [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    return float(np.median(times.whole_ms) / np.median(base.whole_ms)), float(low), float(high)


def measure(side: int, *, backend: str, threads: int, rounds: int, int8: bool) -> tuple[Times, ...]:
    """Time every way.

    Args:
        side: Height and width of the frames, which the network takes as they are; grey.
        backend: Name of the runtime.
        threads: Of the runtime and of OpenCV.
        rounds: Frames of each way, after five that are not counted.
        int8: Whether networks are quantized.

    Returns:
        In the order of `WAYS`.
    """
    cv2.setNumThreads(threads)
    boards = [drawn((side, side), 1, seed) for seed in range(_BOARDS)]
    moved = [pair_of(frame, reference) for frame, reference, _ in boards]
    in_place = [pair_of(frame, _noisy(frame)) for frame, _, _ in boards]
    alone = [frame for frame, _, _ in boards]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        plain, comparing = (
            stack.enter_context(
                _session(Path(folder), side, arrays, backend=backend, threads=threads, int8=int8, reference=reference)
            )
            for arrays, reference in ((alone, False), (moved, True))
        )
        ways = ((plain, alone), (comparing, in_place), (comparing, moved))
        return _interleaved(ways, rounds)


def main(argv: Sequence[str]) -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="comparing", description="What does comparing with a reference cost?")
    parser.add_argument("--backend", default="open_vino")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--int8", action="store_true")
    options = parser.parse_args(argv)
    sys.stdout.write(
        "| frame | way | p50 ms | p99 ms | before the engine, p50 ms | engine and after, p50 ms | ratio of p50 |\n"
    )
    sys.stdout.write("| --- " * 7 + "|\n")
    for side in SIZES:
        found = measure(
            side, backend=options.backend, threads=options.threads, rounds=options.rounds, int8=options.int8
        )
        for way, times in zip(WAYS, found, strict=True):
            ratio, low, high = ratio_of_medians(times, found[0])
            cells = (
                quantile(times.whole_ms.tolist(), 0.5),
                quantile(times.whole_ms.tolist(), 0.99),
                quantile(times.pre_ms.tolist(), 0.5),
                quantile((times.whole_ms - times.pre_ms).tolist(), 0.5),
            )
            shown = " | ".join(f"{each:.3f}" for each in cells)
            compared = "1" if way == WAYS[0] else f"{ratio:.2f} ({low:.2f} to {high:.2f})"
            sys.stdout.write(f"| {side} x {side} | {way} | {shown} | {compared} |\n")
            sys.stdout.flush()
    return 0


def _noisy(frame: Frame) -> Frame:
    noise = np.random.default_rng(1).integers(-3, 4, frame.shape)
    return np.asarray(np.clip(frame.astype(np.int64) + noise, 0, 255), np.uint8)


def _session(
    folder: Path, side: int, arrays: Sequence[Frame], *, backend: str, threads: int, int8: bool, reference: bool
) -> Session:
    place = Path(tempfile.mkdtemp(dir=folder))
    spec = FrameSpec(
        height=side,
        width=side,
        channels=1,
        mean=(0.5,),
        std=(0.25,),
        frame_height=side,
        frame_width=side,
        reference=reference,
    )
    write_untrained(place / "model.safetensors", {"family": "plain", "width": _WIDTH}, spec)
    graph = graphs_in(place / "graphs", backend, arrays if int8 else ())(place / "model.safetensors").final
    (built := place / "built").mkdir()
    target = Target(name="local", threads=threads, cpus=tuple(range(threads)))
    return open_session(backends()[backend], backends()[backend].build(graph, target, built), threads=threads)


def _interleaved(ways: Sequence[tuple[Session, Sequence[Frame]]], rounds: int) -> tuple[Times, ...]:
    found = np.empty((len(ways), rounds + _NOT_COUNTED, 2))
    board, per_board = 0, max(1, (rounds + _NOT_COUNTED) // _BOARDS)
    for number in range(rounds + _NOT_COUNTED):
        board = number // per_board % _BOARDS
        for place, (session, arrays) in enumerate(ways):
            started_ns = time.perf_counter_ns()
            decision = session.infer(arrays[board])
            ended_ns = time.perf_counter_ns()
            found[place, number] = ended_ns - started_ns, decision.engine_start_ns - started_ns
    counted = found[:, _NOT_COUNTED:] / 1e6
    return tuple(Times(whole_ms=each[:, 0], pre_ms=each[:, 1]) for each in counted)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
