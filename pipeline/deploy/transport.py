"""What has to be sent to a device for a row: its files as a bundle codes them for the way."""

from __future__ import annotations

import json
from pathlib import Path

from ...export.artifacts import files_of
from ...export.bundles.packing import packed
from ...inspection.base.storage import write_json
from ..stages.job import RunJob
from ..stages.results import RowResult
from ..stages.stages import Stage, run_stage


def transport_size(job: RunJob, result: RowResult) -> dict[str, int]:
    """Give a candidate's `transport_bytes`; what nobody will send is not weighed."""
    if result.plan.role != "candidate":
        return {}
    stage = Stage(name="pack", inputs={"artifact": result.artifact.digest})

    def work(folder: Path) -> None:
        files = [path.read_bytes() for path in files_of(result.artifact.path)]
        write_json(folder / "packed.json", {"bytes": sum(len(packed(each) or each) for each in files)})

    folder = run_stage(job.folder, stage, work, notify=job.console.detail)
    return {"transport_bytes": int(json.loads((folder / "packed.json").read_text(encoding="utf-8"))["bytes"])}
