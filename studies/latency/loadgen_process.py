"""The process that MLPerf's LoadGen measures in: `python -m beltline.studies.latency.loadgen_process JOB.json`.

Prepared as Beltline's own measuring process is: fresh, pinned, alone, without garbage collection, warmed up for half a
second. What LoadGen calls is one `infer` of the session, the same call that Beltline times.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...benchmarks.timing.job import read_frames
from ...benchmarks.timing.process import alone, pin, undisturbed
from ...export.artifacts import backends
from ...export.contracts import Artifact, Frame, Session
from ...export.sessions import open_session
from ...inspection.base.errors import MeasurementError

_WARMUP_SECONDS = 0.5
_FEWEST_QUERIES = 64  # LoadGen's own least for a 90th percentile at 99 % confidence


def main(argv: Sequence[str]) -> int:
    """Run one job: LoadGen writes its logs into the folder that the job names."""
    (job_file,) = argv
    job: dict[str, Any] = json.loads(Path(job_file).read_text(encoding="utf-8"))
    artifact, frames = Artifact.from_json(job["artifact"]), read_frames(Path(job["frames"]))
    pin(tuple(job["cpus"]))
    backend = backends()[artifact.backend]
    with alone(lambda: None), open_session(backend, artifact, threads=job["threads"]) as session, undisturbed():
        _warm_up(session, frames)
        _single_stream(session, frames, seconds=job["seconds"], folder=job["folder"])
    return 0


def _warm_up(session: Session, frames: Sequence[Frame]) -> None:
    end = time.perf_counter() + _WARMUP_SECONDS
    index = 0
    while time.perf_counter() < end or index < len(frames):
        session.infer(frames[index % len(frames)])
        index += 1


def _single_stream(session: Session, frames: Sequence[Frame], *, seconds: int, folder: str) -> None:
    """Let LoadGen issue one query after another; it draws frames at random and times from issue to completion."""
    import mlperf_loadgen

    failed: list[Exception] = []

    def issue(samples: list[Any]) -> None:
        for sample in samples:
            try:
                session.infer(frames[sample.index])
            except Exception as error:  # noqa: BLE001 - LoadGen's thread would end the process without a word
                failed.append(error)
            mlperf_loadgen.QuerySamplesComplete([mlperf_loadgen.QuerySampleResponse(sample.id, 0, 0)])

    def nothing(*_: Any) -> None:
        return None

    sut = mlperf_loadgen.ConstructSUT(issue, nothing)
    library = mlperf_loadgen.ConstructQSL(len(frames), len(frames), nothing, nothing)
    try:
        mlperf_loadgen.StartTestWithLogSettings(sut, library, _test_settings(seconds), _log_settings(folder))
    finally:
        mlperf_loadgen.DestroyQSL(library)
        mlperf_loadgen.DestroySUT(sut)
    if failed:
        msg = f"LoadGen: {len(failed)} frames failed, the first with: {failed[0]}"
        raise MeasurementError(msg)


def _test_settings(seconds: int) -> Any:
    import mlperf_loadgen

    settings = mlperf_loadgen.TestSettings()
    settings.scenario = mlperf_loadgen.TestScenario.SingleStream
    settings.mode = mlperf_loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = settings.max_duration_ms = 1000 * seconds
    settings.min_query_count = _FEWEST_QUERIES
    return settings


def _log_settings(folder: str) -> Any:
    import mlperf_loadgen

    settings, output = mlperf_loadgen.LogSettings(), mlperf_loadgen.LogOutputSettings()
    output.outdir = folder
    output.copy_summary_to_stdout = False
    settings.log_output = output
    settings.enable_trace = False
    return settings


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
