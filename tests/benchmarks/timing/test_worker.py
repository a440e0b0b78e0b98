from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from beltline.benchmarks.proof.summary import latency_summary
from beltline.benchmarks.timing.measuring import MeasureLimits, measure, prove_measurement
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
    measured = measure(
        artifact,
        frames,
        arrivals=Arrivals(period_ns=20_000_000),
        deadline_ms=500.0,
        gate=gate,
        target=target,
        limits=MeasureLimits(frames=30, seconds=10, warmup_frames=3),
    )
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
