"""Beltline's p90 against MLPerf's LoadGen: `python -m beltline.studies.latency.loadgen RUN:ROW`.

LoadGen's SingleStream scenario sends the next query when the one before is answered, which is Beltline's back-to-back
mode, and reports the 90th percentile (mlcommons/inference, loadgen). Both call the same session with the same frames,
in processes prepared alike, interleaved. What remains is LoadGen's call into Python, some ten microseconds a query, and
that it draws frames at random where Beltline goes round.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ...benchmarks.timing.job import write_frames
from ...inspection.base.errors import MeasurementError, MissingPartError
from ...inspection.statistics.quantile import quantile
from .peers import Agreement, Trial, compare_interleaved, measured_back_to_back, run_study

_PROCESS = f"{__package__}.loadgen_process"
_P90 = re.compile(r"^90\.00 percentile latency \(ns\)\s*:\s*(\d+)", re.MULTILINE)


def study(trial: Trial) -> Agreement:
    """Compare the 90th percentile of response times with LoadGen's.

    Raises:
        MissingPartError: LoadGen is not installed.
        MeasurementError: A measurement failed.
    """
    if importlib.util.find_spec("mlperf_loadgen") is None:
        msg = "LoadGen is not installed; run: pip install 'beltline[studies]'"
        raise MissingPartError(msg)
    return compare_interleaved(
        trial,
        peer="LoadGen SingleStream",
        statistic="response p90",
        ours=lambda: response_p90_ms(trial),
        theirs=lambda: loadgen_p90_ms(trial),
    )


def response_p90_ms(trial: Trial) -> float:
    """Measure once with Beltline, back to back, frame to decision."""
    return quantile(measured_back_to_back(trial).response_ns, 0.9) / 1e6


def loadgen_p90_ms(trial: Trial) -> float:
    """Measure once with LoadGen, in a fresh process pinned to the same CPUs.

    Raises:
        MeasurementError: It failed, or its summary holds no 90th percentile.
    """
    with tempfile.TemporaryDirectory(prefix="beltline-loadgen-") as name:
        folder = Path(name)
        frames, job = folder / "frames.npz", folder / "job.json"
        write_frames(frames, trial.frames)
        facts = {"threads": trial.target.threads, "cpus": list(trial.target.cpus), "seconds": trial.seconds}
        paths = {"frames": str(frames), "folder": name, "artifact": trial.artifact.to_json()}
        job.write_text(json.dumps({**facts, **paths}), encoding="utf-8")
        argv = [sys.executable, "-m", _PROCESS, str(job)]
        ended = subprocess.run(argv, capture_output=True, text=True, check=False)
        summary = folder / "mlperf_log_summary.txt"
        found = _P90.search(summary.read_text(encoding="utf-8")) if summary.is_file() else None
    if ended.returncode or found is None:
        msg = f"LoadGen ended with code {ended.returncode}: {(ended.stdout + ended.stderr)[-1000:].strip()}"
        raise MeasurementError(msg)
    return int(found[1]) / 1e6


def main(argv: Sequence[str]) -> int:
    """Compare and print."""
    return run_study("loadgen", "Beltline's 90th percentile against MLPerf's LoadGen.", study, argv)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
