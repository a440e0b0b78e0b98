"""Does a week fit into memory? `python -m beltline.studies.latency.soak_memory`.

60 million synthetic frames, a week at 100 a second, go through the real recorder (its own process, fed through its
pipe as fast as it takes them), into real segments, and through the real summary. Memory is read as they go.
The disk needs some 9 bytes a frame while it runs; the folder is removed at the end.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from ...benchmarks.soak.folder import SoakPlan, session_folder, settle_plan
from ...benchmarks.soak.recorder import Orders
from ...benchmarks.soak.schema import SoakSummary
from ...benchmarks.soak.segment import Rows
from ...benchmarks.soak.summarising import summarise
from ...benchmarks.soak.worker import PipeSink, start_recorder
from ...benchmarks.timing.pacing import wait_until
from ...inspection.base.storage import write_json
from ...inspection.line.arrivals import Arrivals, due_ns
from ...inspection.line.gates import MissGate
from ...inspection.statistics.quantile import quantiles

FRAMES = 60_000_000
ARRIVALS = Arrivals(period_ns=10_000_000)
DEADLINE_MS = 8.0

_BATCH_FRAMES = 50_000
_COST_FRAMES = 5_000
_COST_PERIOD_NS = 1_000_000
_READINGS = 12
_SAMPLE_S = 0.2
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Memory and disk at one moment.

    Attributes:
        what: `recording` or `summary`.
        frames: Recorded so far.
        resident_mib: Memory of the process that works: the recorder, or the one that summarises.
        bytes_per_frame: On disk.
        seconds: Since the study began.
    """

    what: str
    frames: int
    resident_mib: float
    bytes_per_frame: float
    seconds: float


def main(argv: list[str]) -> int:
    """Print one line for each reading, and what the summary found."""
    parser = argparse.ArgumentParser(prog="soak_memory", description="Does a week of frames fit into memory?")
    parser.add_argument("--frames", type=int, default=FRAMES, help="how many; a week at 100 a second has 60 million")
    parser.add_argument("--cost", action="store_true", help="say what handing a frame to the recorder costs, no more")
    parser.add_argument("--folder", type=Path, default=None, help="where the disk has some 9 bytes for each")
    options = parser.parse_args(argv)
    if options.frames < _BATCH_FRAMES:
        parser.error(f"--frames must be at least {_BATCH_FRAMES}, got {options.frames}")
    with tempfile.TemporaryDirectory(prefix="beltline-soak-memory-", dir=options.folder) as folder:
        if options.cost:
            p50, p99 = quantiles(costs_us(Path(folder) / "soak"), (0.5, 0.99))
            sys.stdout.write(f"handing a frame over: median {p50:.1f} us, p99 {p99:.1f} us, one frame a millisecond\n")
            return 0
        began_s = time.monotonic()
        sys.stdout.write("| what | frames | memory | bytes a frame | after |\n| --- | --- | --- | --- | --- |\n")
        for reading in record(Path(folder) / "soak", options.frames):
            _print(reading, began_s)
        memory_mib, summary = summarised(Path(folder) / "soak", options.frames)
        for what, resident_mib in (("summary, before", memory_mib[0]), ("summary, most", max(memory_mib))):
            last = Reading(
                what=what,
                frames=summary.whole.frames,
                resident_mib=resident_mib,
                bytes_per_frame=summary.trace_bytes / options.frames,
                seconds=time.monotonic(),
            )
            _print(last, began_s)
        sys.stdout.write(f"{len(summary.points)} points of {summary.point_s:g} s; {summary.whole.misses} late frames\n")
    return 0


def record(folder: Path, frames: int) -> Iterator[Reading]:
    """Send synthetic frames through a recorder; gives a reading now and then.

    Args:
        folder: Of the soak; not there yet.
        frames: How many.
    """
    handle, recorder = _recorder(folder)
    os.set_blocking(handle, True)
    process, sent, random = psutil.Process(recorder.pid), 0, np.random.default_rng(0)
    readings = [round(frames * part / _READINGS) for part in range(1, _READINGS + 1)]
    while sent < frames:
        rows = synthetic_rows(random, start=sent, frames=min(_BATCH_FRAMES, frames - sent))
        _send(handle, rows)
        sent += len(rows)
        while readings and sent >= readings[0]:
            readings.pop(0)
            yield _reading("recording", process, folder, sent)
    os.close(handle)
    recorder.wait()


def costs_us(folder: Path) -> NDArray[np.float64]:
    """Hand frames over as a soak does, one a millisecond; gives what each took, in microseconds, float64 `[frames]`.

    Args:
        folder: Of the soak; not there yet.
    """
    handle, recorder = _recorder(folder)
    sink = PipeSink(handle=handle, end_ns=1 << 62, parent=os.getppid())
    costs = []
    for row in synthetic_rows(np.random.default_rng(0), start=0, frames=_COST_FRAMES).tolist():
        wait_until(time.perf_counter_ns() + _COST_PERIOD_NS)
        begin_ns = time.perf_counter_ns()
        sink.note(*row)
        costs.append(time.perf_counter_ns() - begin_ns)
    sink.finish()
    recorder.wait()
    return np.array(costs) / 1e3


def synthetic_rows(random: np.random.Generator, *, start: int, frames: int) -> Rows:
    """Draw frames of a belt: work of 1 ms with a tail, one in 10,000 late; int64 `[frames, 5]`."""
    due = 1_000_000_000 + due_ns(ARRIVALS, start=start, frames=frames)
    steps = random.gamma(4.0, [[20_000.0, 25_000.0, 200_000.0, 10_000.0]], size=(frames, 4)).astype(np.int64)
    steps[random.random(frames) < 1e-4, 2] = 8_500_000
    return np.column_stack([due, due[:, None] + np.cumsum(np.minimum(steps, 8_500_000), axis=1)])


def summarised(folder: Path, frames: int) -> tuple[list[float], SoakSummary]:
    """Summarise the soak; gives this process's memory before and meanwhile, in MiB, and the summary."""
    with _memory() as memory_mib:
        asked_s = frames / ARRIVALS.frames_per_s
        summary = summarise(folder, row="synthetic", asked_s=asked_s, deadline_ms=DEADLINE_MS, gate=MissGate())
    return memory_mib, summary


@contextmanager
def _memory() -> Iterator[list[float]]:
    readings, over = [_resident_mib(psutil.Process())], threading.Event()

    def sample() -> None:
        while not over.wait(_SAMPLE_S):
            readings.append(_resident_mib(psutil.Process()))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield readings
    finally:
        over.set()
        thread.join()


def _recorder(folder: Path) -> tuple[int, subprocess.Popen[bytes]]:
    """Begin a soak of nothing; gives the pipe to its recorder, and the recorder."""
    plan = SoakPlan(artifact_digest="sha256:0", backend="none", arrivals=ARRIVALS, threads=1, cpus=(0,), device={})
    folder.mkdir()
    settle_plan(folder, plan)
    deadline_ns = round(DEADLINE_MS * 1e6)
    orders = Orders(folder=str(folder), soak=plan.digest, session=0, deadline_ns=deadline_ns, keep_off=(0,))
    with Path(os.devnull).open("wb") as nowhere:
        started = start_recorder(orders, nowhere.fileno())
    write_json(session_folder(folder, 0) / "session.json", {"unix_s": 0.0, "began": "1970-01-01T00:00:00+00:00"})
    return started


def _send(handle: int, rows: Rows) -> None:
    waiting = memoryview(np.ascontiguousarray(rows).tobytes())
    while waiting:
        waiting = waiting[os.write(handle, waiting) :]


def _reading(what: str, process: psutil.Process, folder: Path, frames: int) -> Reading:
    size = sum(path.stat().st_size for path in session_folder(folder, 0).iterdir() if not path.name.startswith("."))
    return Reading(
        what=what,
        frames=frames,
        resident_mib=_resident_mib(process),
        bytes_per_frame=size / frames,
        seconds=time.monotonic(),
    )


def _resident_mib(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / _MIB


def _print(reading: Reading, began_s: float) -> None:
    sys.stdout.write(
        f"| {reading.what} | {reading.frames:,} | {reading.resident_mib:.0f} MiB | {reading.bytes_per_frame:.2f} | "
        f"{reading.seconds - began_s:.0f} s |\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
