"""A measurement on a device over a real ssh connection that is cut in its middle, and one under a wrong clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beltline.benchmarks.timing.measuring import Demand, MeasureLimits, measure_at_line_rate, measure_back_to_back
from beltline.export.backends.onnx_runtime import BACKEND
from beltline.export.contracts import Artifact, Frame, Graph
from beltline.inspection.line.arrivals import Arrivals
from beltline.inspection.line.gates import MissGate
from beltline.targets.profile import target_of
from beltline.targets.ssh import SshHost
from loopback import LoopbackDevice

FRAMES = 30
PERIOD_MS = 100.0


@pytest.fixture(scope="module")
def artifact(tiny_graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return BACKEND.build(tiny_graph, target_of("local", threads=1), tmp_path_factory.mktemp("artifact"))


LIMITS = MeasureLimits(frames=FRAMES, seconds=30)
LINE = Demand(arrivals=Arrivals(period_ns=round(PERIOD_MS * 1e6)), deadline_ms=1_000.0, gate=MissGate(), limits=LIMITS)


def test_a_cut_in_the_middle_loses_no_frame(device: LoopbackDevice, artifact: Artifact, frames: list[Frame]) -> None:
    cuts: list[int] = []

    def cut(facts: dict[str, Any]) -> None:
        if "frames" in facts and not cuts:
            cuts.append(device.cut())

    with SshHost(device.access(), wheelhouse=None) as host:
        there = measure_at_line_rate(
            artifact, frames, demand=LINE, target=target_of("local", threads=1), host=host, progress=cut
        )
    assert cuts[0] >= 1
    assert there.response_ns.size == FRAMES
    due = there.scheduled_ns[there.warmup :]
    assert (np.diff(due) == round(PERIOD_MS * 1e6)).all()
    assert there.artifact_digest == artifact.digest
    assert there.fingerprint["versions"]["onnxruntime"]
    assert device.jobs == []


def test_no_duration_comes_from_the_wall_clock(
    tmp_path: Path, artifact: Artifact, frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The measuring process gets a wall clock that jumps back an hour at each look, as after a wrong time server."""
    (tmp_path / "sitecustomize.py").write_text(
        "import time\n"
        "jumps = []\n"
        "def time_that_jumps():\n"
        "    jumps.append(1)\n"
        "    return 1.8e9 - 3600 * len(jumps)\n"
        "time.time = time_that_jumps\n"
        "time.time_ns = lambda: int(1e9 * time_that_jumps())\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    here = measure_back_to_back(artifact, frames, target=target_of("local", threads=1), limits=LIMITS)
    assert here.response_ns.size == FRAMES
    assert 0 < here.response_ns.min() <= here.response_ns.max() < 60e9
    assert (np.diff(here.started_ns) > 0).all()
