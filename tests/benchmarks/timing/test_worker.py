from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from beltline.benchmarks.proof.summary import latency_summary
from beltline.benchmarks.timing.measurement import TIMES
from beltline.benchmarks.timing.measuring import Demand, MeasureLimits, measure_at_line_rate, prove_measurement
from beltline.benchmarks.timing.worker import Recorder, room_for
from beltline.export.artifacts import backends
from beltline.export.contracts import Frame, Graph
from beltline.inspection.line.arrivals import Arrivals
from beltline.inspection.line.gates import MissGate
from beltline.targets.profile import target_of


@pytest.mark.parametrize("name", ["onnx_runtime", "open_vino", "torch_eager"])
def test_a_real_engine_is_measured(name: str, tiny_graph: Graph, frames: list[Frame], tmp_path: Path) -> None:
    backend, target = backends()[name], target_of("local", threads=1)
    artifact = backend.build(tiny_graph, target, tmp_path)
    gate = MissGate(max=0.3, confidence=0.9)
    demand = Demand(
        arrivals=Arrivals(period_ns=20_000_000),
        deadline_ms=500.0,
        gate=gate,
        limits=MeasureLimits(frames=30, seconds=10, warmup_frames=3),
    )
    measured = measure_at_line_rate(artifact, frames, demand=demand, target=target)
    proof = prove_measurement(measured, deadline_ms=500.0, gate=gate)
    summary = latency_summary(measured, deadline_ms=500.0, proof=proof)
    assert proof.verdict == "fits"
    assert 0 < summary["engine"] <= summary["p50"]
    assert measured.artifact_digest == artifact.digest
    assert np.all(measured.engine_ns > 0)


def test_the_worker_loads_no_engine_by_itself() -> None:
    worker = "beltline.benchmarks.timing.worker"
    code = f"import sys, {worker}; print([m for m in ('torch', 'onnx', 'openvino') if m in sys.modules])"
    root = Path(__file__).resolve().parents[3] / ".dev"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_job_file_that_is_none_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text("{}")
    root = Path(__file__).resolve().parents[3] / ".dev"
    done = subprocess.run(
        [sys.executable, "-m", "beltline.benchmarks.timing.worker", str(tmp_path / "job.json")],
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "not a measuring job" in json.loads(done.stdout)["error"]
    assert not done.stderr


FAR_NS = 1 << 62


def _note(recorder: Recorder, due_ns: int, response_ns: int) -> str | None:
    return recorder.note(due_ns, due_ns, due_ns, due_ns + response_ns, due_ns + response_ns)


def test_rows_stand_in_the_order_of_a_trace() -> None:
    recorder = Recorder(rows=room_for(2), end_ns=FAR_NS)
    assert recorder.note(1, 2, 3, 4, 5) is None
    assert recorder.rows[0].tolist() == [1, 2, 3, 4, 5]
    assert recorder.rows.shape == (2, len(TIMES))
    assert recorder.count == 1


def test_late_frames_and_their_spells_are_counted() -> None:
    recorder = Recorder(rows=room_for(9), end_ns=FAR_NS, deadline_ns=10)
    for due_ns, response_ns in enumerate([5, 11, 12, 10, 30, 1, 1, 40, 41]):
        _note(recorder, 100 * due_ns, response_ns)
    assert (recorder.misses, recorder.bursts) == (5, 3)


def test_the_run_ends_with_the_first_frame_decided_after_its_time() -> None:
    recorder = Recorder(rows=room_for(3), end_ns=100, deadline_ns=10)
    assert _note(recorder, 90, 10) is None
    assert _note(recorder, 95, 6) == "time"


def test_progress_is_what_a_terminal_shows() -> None:
    recorder = Recorder(rows=room_for(40), end_ns=FAR_NS, deadline_ns=1_000_000)
    _note(recorder, 0, 2_500_000)
    assert recorder.progress() == {"frames": 1, "of": 40, "misses": 1, "response_ms": 2.5}


def test_room_is_made_before_the_first_frame() -> None:
    assert np.array_equal(room_for(5), np.zeros((5, len(TIMES)), dtype=np.int64))
