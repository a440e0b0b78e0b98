"""From a checkpoint or an ONNX file to what a backend runs: a stage of its own."""

from __future__ import annotations

import json
from pathlib import Path

from ...export.artifacts import backends, require_installed
from ...export.contracts import Artifact, Graph
from ...export.graph_file import open_graph
from ...inspection.base.storage import digest_of_file, write_json
from .job import Made, RunJob
from .stages import Stage, run_stage
from .versions import runtime_of


def build_artifact(job: RunJob, backend_name: str, source: Made, checkpoint: Made | None = None) -> Artifact:
    """Build what the backend runs, from an ONNX file or, for `torch_eager`, from a checkpoint."""
    backend = backends()[backend_name]
    require_installed(backend)
    target = job.target
    runtime = runtime_of(backend_name, checkpoint.path if checkpoint else source.path)
    inputs = {"runtime": runtime, "source": source.key, "target": target.name}
    stage = Stage(name=f"build {backend_name}", inputs=inputs)

    def work(folder: Path) -> None:
        artifact = backend.build(_graph_of(source, checkpoint), target, folder)
        described = artifact.to_json()
        write_json(folder / "artifact.json", {**described, "path": artifact.path.name})

    folder = run_stage(job.folder, stage, work, notify=job.console.detail)
    artifact = Artifact.from_json(json.loads((folder / "artifact.json").read_text(encoding="utf-8")))
    return artifact.moved_to(folder / artifact.path)


def _graph_of(source: Made, checkpoint: Made | None) -> Graph:
    if source.path.suffix == ".onnx":
        return open_graph(source.path, checkpoint=checkpoint.path if checkpoint else None)
    from ...compress.checkpoint import read_header
    from ...inspection.data.frame import FrameSpec

    frame = FrameSpec.from_json(read_header(source.path)["frame"])
    digest = digest_of_file(source.path)
    return Graph(path=source.path, digest=digest, frame=frame, precision="fp32", checkpoint=source.path)
