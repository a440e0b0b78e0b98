from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from beltline.export.contracts import Artifact
from beltline.inspection.base.storage import digest_of_file
from beltline.inspection.data.frame import FrameSpec

# A backend as another package would bring it: it takes as long as its "model" file says and breaks where that says so.
_BACKEND = """
import json
import os
import sys
import time

import numpy as np
from beltline.export.contracts import Decision


class Session:
    def __init__(self, plan):
        self.plan, self.count = plan, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def infer(self, frame):
        if self.count == self.plan.get("die_at"):
            os._exit(9)
        if self.count == self.plan.get("fail_at"):
            raise ValueError("the engine burned")
        busy_ms = self.plan["busy_ms"]
        begin = time.perf_counter_ns()
        time.sleep(busy_ms[self.count % len(busy_ms)] / 1000)
        end = time.perf_counter_ns()
        self.count += 1
        return Decision(score=float(frame[0, 0, 0]) / 255, heatmap=np.zeros((1, 1), np.uint8),
                        engine_start_ns=begin, engine_end_ns=end)


class Pretend:
    name = "pretend"
    packages = ()

    def missing(self):
        return None

    def supports(self, target):
        return True

    def build(self, graph, target, folder):
        raise NotImplementedError

    def load(self, artifact, *, threads):
        print("a native library chats on stdout")
        return Session(json.loads(artifact.path.read_text()))


BACKEND = Pretend()
"""


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Artifact]:
    """Install the pretending backend for worker processes; gives a function that makes its artifacts."""
    package = tmp_path / "site"
    info = package / "pretend-1.0.dist-info"
    info.mkdir(parents=True)
    (package / "pretend_backend.py").write_text(_BACKEND)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pretend\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[beltline.backends]\npretend = pretend_backend:BACKEND\n")
    monkeypatch.setenv("PYTHONPATH", str(package))

    def artifact(**plan: object) -> Artifact:
        path = tmp_path / "model.json"
        path.write_text(json.dumps(plan))
        spec = FrameSpec(height=32, width=32, channels=1, mean=(0.5,), std=(0.25,))
        return Artifact(
            path=path,
            digest=digest_of_file(path),
            backend="pretend",
            precision="fp32",
            size_bytes=path.stat().st_size,
            frame=spec,
            built_for="local",
        )

    return artifact
