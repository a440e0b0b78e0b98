"""Which student is so many times faster? `python -m beltline.studies.compression.student_speed`.

Untrained students of several shapes, in float and in int8, beside the usual teacher in torch eager, all in one process
and interleaved: A B C, C B A, ... Weights do not matter to time. Run it on the device that the line has: whether int8
gains anything hangs on its instructions.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...benchmarks.proof.ratio import Ratio, ratio_of_rounds
from ...compress.networks.base.families import normal_network
from ...compress.teacher.settings import TeacherSettings
from ...export.artifacts import backends
from ...export.contracts import Frame, Session
from ...export.sessions import open_session
from ...inspection.base.errors import BeltlineError
from ...inspection.data.frame import FrameSpec
from ...inspection.data.preparation import prepared
from ...targets.fingerprint import INT8_DOT_PRODUCT, fingerprint
from .timed_networks import local_bench, noise_frames, print_progress, write_untrained

_LITE0 = {"family": "timm", "backbone": "tf_efficientnet_lite0"}
_SMALL, _SMALLER = (224, 192), (160, 128)
USUAL: tuple[tuple[dict[str, Any], tuple[int, int]], ...] = (
    ({**_LITE0}, _SMALL),
    ({**_LITE0, "coarsest": 16}, _SMALL),
    ({**_LITE0, "stride": 8, "coarsest": 16}, _SMALL),
    ({**_LITE0, "coarsest": 8}, _SMALL),
    ({**_LITE0, "stride": 8, "coarsest": 8}, _SMALL),
    ({**_LITE0}, _SMALLER),
    ({"family": "timm", "backbone": "mobilenetv3_small_050"}, _SMALL),
    ({"family": "timm", "backbone": "resnet18", "coarsest": 8}, _SMALL),
    ({"family": "plain", "width": 16, "depth": 2}, _SMALL),
    ({"family": "plain", "width": 16, "depth": 3}, _SMALL),
    ({"family": "plain", "width": 24, "depth": 2}, _SMALL),
    ({"family": "plain", "width": 32, "depth": 2, "stride": 8}, _SMALL),
    ({"family": "plain", "width": 48, "depth": 2}, _SMALL),
)
"""Networks and their inputs, height and width."""

_TEACHER, _BACKEND = "teacher", "open_vino"
_IN_A_ROW = 3
"""Frames of one model in a round, after one that warms its caches; the middle one counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Student:
    """One student in both precisions.

    Attributes:
        name: For people.
        size: Height and width of its input.
        macs: Multiply-accumulates of a frame.
        fp32_ms: From frame to decision, one figure for each round.
        int8_ms: The same.
        teacher_ms: The teacher's of the same rounds.
    """

    name: str
    size: tuple[int, int]
    macs: int
    fp32_ms: tuple[float, ...]
    int8_ms: tuple[float, ...]
    teacher_ms: tuple[float, ...]

    def row(self) -> str:
        """Give a row of Markdown."""
        gain = ratio_of_rounds("p50", self.fp32_ms, self.int8_ms)
        fp32, int8 = (ratio_of_rounds("p50", self.teacher_ms, each) for each in (self.fp32_ms, self.int8_ms))
        return (
            f"| {self.name} | {self.size[0]} x {self.size[1]} | {self.macs / 1e6:.0f} M | "
            f"{_ms(self.fp32_ms)} | {_ms(self.int8_ms)} | {_times(gain)} | {_times(fp32)} | {_times(int8)} |"
        )


def measured(
    students: Sequence[tuple[dict[str, Any], tuple[int, int]]],
    *,
    teacher: FrameSpec,
    threads: int,
    rounds: int,
    folder: Path,
) -> Iterator[Student]:
    """Time students beside the usual teacher.

    Args:
        students: Networks and their inputs.
        teacher: The teacher's input, and the camera's frames.
        threads: Of every engine.
        rounds: How often each has its turn.
        folder: Where what is built is kept.

    Raises:
        LineFileError: A student cannot be built; nothing is built then.
    """
    for network, _ in students:
        normal_network(network)
    frames = noise_frames(teacher)
    with ExitStack() as opened:
        sessions = {_TEACHER: opened.enter_context(_teacher_session(teacher, threads, folder))}
        for number, (network, size) in enumerate(students):
            print_progress("building student", number + 1, len(students))
            for int8 in (False, True):
                session = _student_session(network, teacher.of_size(*size), threads, folder, int8=int8)
                sessions[_key(number, int8=int8)] = opened.enter_context(session)
        times = interleaved(sessions, frames, rounds)
    for number, (network, size) in enumerate(students):
        yield Student(
            name=_name(network),
            size=size,
            macs=_macs(network, teacher.of_size(*size), folder),
            fp32_ms=times[_key(number, int8=False)],
            int8_ms=times[_key(number, int8=True)],
            teacher_ms=times[_TEACHER],
        )


def interleaved(sessions: Mapping[str, Session], frames: Sequence[Frame], rounds: int) -> dict[str, tuple[float, ...]]:
    """Let models take turns, every other round backwards; give the middle of three frames of each turn, in ms."""
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for number in range(rounds):
        print_progress("round", number + 1, rounds)
        for name in list(sessions)[:: -1 if number % 2 else 1]:
            taken = [_taken_ms(sessions[name], frames[place % len(frames)]) for place in range(_IN_A_ROW + 1)]
            times[name].append(float(np.median(taken[1:])))
    return {name: tuple(each) for name, each in times.items()}


def _taken_ms(session: Session, frame: Frame) -> float:
    started_ns = time.perf_counter_ns()
    session.infer(frame)
    return (time.perf_counter_ns() - started_ns) / 1e6


def _teacher_session(spec: FrameSpec, threads: int, folder: Path) -> Session:
    import torch

    from ...compress.checkpoint import load_checkpoint
    from ...export.torch_session import TorchSession

    path = _untrained({**TeacherSettings().network, "pretrained": False}, spec, folder)
    inspector = load_checkpoint(path).inspector.eval()
    return TorchSession(inspector.to(memory_format=torch.channels_last), spec, threads)


def _student_session(network: dict[str, Any], spec: FrameSpec, threads: int, folder: Path, *, int8: bool) -> Session:
    shown = [prepared(frame, spec) for frame in noise_frames(spec)]
    bench = local_bench(_BACKEND, shown, int8=int8, threads=threads, folder=folder)
    graph = bench.graphs(_untrained(network, spec, folder)).final
    artifact = backends()[_BACKEND].build(graph, bench.target, Path(tempfile.mkdtemp(dir=folder)))
    return open_session(backends()[_BACKEND], artifact, threads=threads)


def _untrained(network: dict[str, Any], spec: FrameSpec, folder: Path) -> Path:
    path = folder / f"{_name(network).replace(' ', '-')}-{spec.height}x{spec.width}.safetensors"
    if not path.is_file():
        write_untrained(path, network, spec)
    return path


def _macs(network: dict[str, Any], spec: FrameSpec, folder: Path) -> int:
    from ...compress.networks.base.counting import count_network

    return count_network(_untrained(network, spec, folder))["macs"]


def _name(network: Mapping[str, Any]) -> str:
    """Name a network as line.yaml would, its family aside where the backbone says it.

    >>> _name({"family": "timm", "backbone": "resnet18", "coarsest": 8}), _name({"family": "plain", "width": 8})
    ('resnet18 coarsest 8', 'plain width 8')
    """
    lead = str(network.get("backbone", network["family"]))
    options = [f"{key} {value}" for key, value in network.items() if key not in ("family", "backbone", "pretrained")]
    return " ".join([lead, *options])


def _key(number: int, *, int8: bool) -> str:
    return f"{number} {'int8' if int8 else 'fp32'}"


def _ms(rounds: tuple[float, ...]) -> str:
    return f"{np.median(rounds):.2f} ({min(rounds):.2f})"


def _times(ratio: Ratio) -> str:
    return f"{ratio.ratio:.3g} ({ratio.lower:.3g}-{ratio.upper:.3g})"


def main(argv: Sequence[str]) -> int:
    """Print a table in Markdown for each number of threads; 2 after an error that a user can correct."""
    options = _options(argv)
    folder = options.keep or Path(tempfile.mkdtemp(prefix="beltline-student-speed-"))
    folder.mkdir(parents=True, exist_ok=True)
    facts = fingerprint(())
    vnni = "with" if INT8_DOT_PRODUCT.intersection(facts["isa"]) else "without"
    sys.stdout.write(f"{facts['cpu']}, {vnni} int8 dot products; medians and fastest of {options.rounds} rounds\n")
    teacher = _spec(options.teacher, options.frame, options.channels)
    try:
        for threads in options.threads:
            sys.stdout.write(f"\n{threads} thread{'s' if threads > 1 else ''}\n\n")
            sys.stdout.write("| student | input | MACs | FP32, ms | int8, ms | FP32 / int8 | teacher / FP32 | ")
            sys.stdout.write("teacher / int8 |\n" + "| --- " * 8 + "|\n")
            for found in measured(
                [(dict(network), (size[0], size[1])) for network, size in options.students],
                teacher=teacher,
                threads=threads,
                rounds=options.rounds,
                folder=folder,
            ):
                sys.stdout.write(found.row() + "\n")
            sys.stdout.write(f"\nthe teacher: {_ms(found.teacher_ms)} ms\n")
            sys.stdout.flush()
    except BeltlineError as error:
        sys.stderr.write(f"student_speed: {error}\n")
        return error.exit_code
    return 0


def _spec(size: Sequence[int], frame: Sequence[int], channels: int) -> FrameSpec:
    return FrameSpec(
        height=size[0],
        width=size[1],
        channels=channels,
        mean=(0.5,) * channels,
        std=(0.5,) * channels,
        frame_height=frame[0],
        frame_width=frame[1],
    )


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="student_speed", description="Which student is so many times faster?")
    parser.add_argument("--teacher", type=int, nargs=2, default=(320, 256), help="height and width of its input")
    parser.add_argument(
        "--frame", type=int, nargs=2, default=(336, 302), help="height and width of the camera's frames"
    )
    parser.add_argument("--channels", type=int, default=1, help="of the camera's frames")
    parser.add_argument(
        "--students",
        type=json.loads,
        default=USUAL,
        help="""such as '[[{"family": "plain", "width": 8}, [224, 192]]]'""",
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="of every engine")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--keep", type=Path, default=None, help="a folder for what is built, to go on from")
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
