"""Beltline's median against OpenVINO's own: `python -m beltline.studies.latency.benchmark_app RUN:ROW`.

The same IR, the same settings (those of the backend, handed over as benchmark_app's `-load_config`), the same CPUs and
one frame after another (`-api sync`), interleaved. benchmark_app times `infer()` alone, inside OpenVINO, always on one
frame that lies in the input tensor already; so it is compared with the part `engine` of Beltline's times, which counts
the call from Python as well (some microseconds) and rotates frames.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...benchmarks.timing.process import alone
from ...export.artifacts import backends, require_installed
from ...export.backends.open_vino import latency_options
from ...inspection.base.errors import MeasurementError
from ...inspection.statistics.quantile import quantile
from .peers import Agreement, Trial, compare_interleaved, measured_back_to_back, run_study

_PINNED = (
    "import os, sys\n"
    "os.sched_setaffinity(0, [int(cpu) for cpu in sys.argv.pop(1).split(',')])\n"
    "from openvino.tools.benchmark.main import main\n"
    "main()\n"
)
_MEDIAN = re.compile(r"Median:\s+([0-9.]+) (us|ms)")


def study(trial: Trial) -> Agreement:
    """Compare the engine's median with benchmark_app's.

    Raises:
        MeasurementError: The model is not OpenVINO's, or a measurement failed.
        MissingPartError: OpenVINO is not installed.
    """
    if trial.artifact.backend != "open_vino":
        msg = f"benchmark_app: wanted a model of open_vino, got {trial.artifact.backend}; choose another row"
        raise MeasurementError(msg)
    require_installed(backends()["open_vino"])
    return compare_interleaved(
        trial,
        peer="benchmark_app",
        statistic="engine p50",
        ours=lambda: engine_p50_ms(trial),
        theirs=lambda: benchmark_app_p50_ms(trial),
    )


def engine_p50_ms(trial: Trial) -> float:
    """Measure once with Beltline, back to back."""
    return quantile(measured_back_to_back(trial).engine_ns, 0.5) / 1e6


def benchmark_app_p50_ms(trial: Trial) -> float:
    """Measure once with benchmark_app, pinned to the same CPUs.

    Raises:
        MeasurementError: It failed, or printed no median; with the end of its output.
    """
    with tempfile.TemporaryDirectory(prefix="beltline-benchmark-app-") as folder:
        settings, frame = Path(folder) / "settings.json", Path(folder) / "frame.npy"
        settings.write_text(json.dumps({"CPU": latency_options(trial.target.threads)}), encoding="utf-8")
        np.save(frame, trial.frames[0], allow_pickle=False)
        options = ["-m", str(trial.artifact.path), "-d", "CPU", "-api", "sync", "-t", str(trial.seconds)]
        options += ["-load_config", str(settings), "-i", str(frame)]
        if any(edge is None for edge in (trial.artifact.frame.frame_height, trial.artifact.frame.frame_width)):
            options += ["-shape", f"frame[{','.join(map(str, trial.frames[0].shape))}]"]
        cpus = ",".join(map(str, trial.target.cpus))
        with alone(lambda: None):
            ended = subprocess.run(
                [sys.executable, "-c", _PINNED, cpus, *options], capture_output=True, text=True, check=False
            )
    found = _MEDIAN.search(ended.stdout)
    if ended.returncode or found is None:
        msg = f"benchmark_app ended with code {ended.returncode}: {(ended.stdout + ended.stderr)[-1000:].strip()}"
        raise MeasurementError(msg)
    return float(found[1]) / (1000 if found[2] == "us" else 1)


def main(argv: Sequence[str]) -> int:
    """Compare and print."""
    return run_study("benchmark_app", "Beltline's engine median against OpenVINO's benchmark_app.", study, argv)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
