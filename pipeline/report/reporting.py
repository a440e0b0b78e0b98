"""From judged rows to report.json and report.html."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...benchmarks.proof.summary import engine_summary
from ...benchmarks.report.decision import shown_row
from ...benchmarks.report.reading import checked_report
from ...benchmarks.report.render import render_report
from ...benchmarks.report.schema import Report
from ...benchmarks.timing.disturbances import circumstances
from ...inspection.base.storage import write_bytes, write_json
from ...inspection.data.dataset import SPLITS
from ...inspection.statistics.quality import Quality
from ...inspection.statistics.quantile import quantile
from ...inspection.statistics.threshold import OperatingPoint
from ..deploy.bundling import transport_size
from ..line.what_if import what_if
from ..search.found import search_of_report
from ..stages.job import RunJob
from ..stages.judge import chosen_row, judged_rows
from ..stages.results import Judged, RowResult
from .device_facts import device_facts
from .gallery import gallery, soak_shown

_SPEEDS = 24


def write_report(job: RunJob, results: Sequence[RowResult]) -> Report:
    """Judge all rows, write `report.json` and `report.html` into the run's folder, and give the report."""
    judged = judged_rows(job, results)
    report = _unless_noted_before(job.folder / "report.json", _report(job, judged))
    checked = checked_report(report)
    write_json(job.folder / "report.json", report)
    shown = next(each for each in judged if each.result.name == shown_row(checked).name)
    traces = {each.result.name: each.result.timed.belt for each in judged}
    page = render_report(report, gallery(job, shown), traces, soak=soak_shown(job, shown))
    write_bytes(job.folder / "report.html", page.encode())
    return checked


def _unless_noted_before(path: Path, report: dict[str, Any]) -> dict[str, Any]:
    """Keep the time of the run that found all this out first: the same findings give the same bytes."""
    try:
        before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return report
    notified = {**json.loads(json.dumps(report)), "started": before.get("started")}
    return notified if notified == before else report


def _report(job: RunJob, judged: Sequence[Judged]) -> dict[str, Any]:
    devices = _devices(judged)
    rows = [{**_row(job, each), "device": each.result.device.name if len(devices) > 1 else None} for each in judged]
    gate = job.line_file.gates.deadline_miss
    return {
        "schema": 1,
        "name": job.line_file.run_name,
        "started": job.started,
        "budget": {
            "period_ms": job.budget.period_ms,
            "deadline_ms": job.budget.deadline_ms,
            "miss_max": gate.max,
            "confidence": gate.confidence,
            "fixed_parts_ms": dict(job.budget.fixed_parts_ms),
            "belt_speed_mm_s": job.line_file.line.belt_speed_mm_s,
            "frames_per_s": job.budget.arrivals.frames_per_s,
            "arrivals": job.line_file.line.model_dump(include={"cameras", "jitter_ms", "bursts"}),
        },
        "gates": job.line_file.gates.model_dump(mode="json"),
        "data": _data(job),
        "device": devices[0],
        **({"devices": devices} if len(devices) > 1 else {}),
        "rows": rows,
        "selected": chosen_row(judged),
        **search_of_report(job),
    }


def _row(job: RunJob, judged: Judged) -> dict[str, Any]:
    result, quality = judged.result, judged.quality
    latency = {**judged.latency, "pre_p50": judged.latency["pre"], "post_p50": judged.latency["post"]}
    back_to_back = result.timed.back_to_back
    response_ms = back_to_back.response_ns / 1e6
    return {
        "name": result.name,
        "role": result.plan.role,
        "recipe": [step.sentence() for step in result.plan.steps],
        "backend": result.artifact.backend,
        "precision": result.artifact.precision,
        "threads": result.device.target.threads,
        "artifact": _from_here(result.artifact.path),
        "lineage": list(result.artifact.lineage),
        "size_bytes": result.artifact.size_bytes,
        **transport_size(job, result),
        **result.counts,
        "latency_ms": latency,
        "back_to_back_ms": {
            "frames": int(response_ms.size),
            "p50": quantile(response_ms, 0.5),
            "p99": quantile(response_ms, 0.99),
        },
        "engine_ms": engine_summary(back_to_back),
        **(result.compared.to_json() if result.compared else {}),
        "circumstances": circumstances(result.timed.belt),
        "quality": {**asdict(quality), "auroc_interval": list(quality.auroc_interval), "paired": _paired(quality)},
        "val": _val(judged.point),
        "parity": result.parity.to_json() if result.parity else None,
        "verdict": judged.verdict.verdict,
        "gate_verdicts": dict(judged.verdict.gates),
        "gate_next_steps": dict(judged.verdict.gate_next_steps),
        "reasons": list(judged.verdict.reasons),
        "next_steps": list(judged.verdict.next_steps),
        "what_if": what_if(
            result.timed.belt,
            job.line_file.line,
            job.line_file.gates.deadline_miss,
            speeds=_SPEEDS,
            seed=job.line_file.seed,
        ),
    }


def _val(point: OperatingPoint) -> dict[str, Any]:
    """Say what the threshold costs on the split it was fitted on."""
    return {"overkill": asdict(point.overkill), "escapes": point.escapes, "threshold_proven": point.proven}


def _paired(quality: Quality) -> dict[str, Any] | None:
    if quality.paired is None:
        return None
    return {**asdict(quality.paired), "new_escape_paths": list(quality.paired.new_escape_paths)}


def _data(job: RunJob) -> dict[str, Any]:
    splits = {split: job.dataset.of(split) for split in SPLITS}
    return {
        "name": job.dataset.name,
        "digest": job.dataset.digest,
        "images": {split: len(samples) for split, samples in splits.items()},
        "groups": {split: len({sample.group for sample in samples}) for split, samples in splits.items()},
        "defective": {split: sum(sample.defective for sample in samples) for split, samples in splits.items()},
        "notes": list(job.dataset.notes),
    }


def _devices(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Describe every device that a row was timed on, those of the candidates first."""
    ordered = sorted(judged, key=lambda each: each.result.plan.role == "teacher")
    results = {each.result.device.name: each.result for each in reversed(ordered)}
    return [device_facts(each.device, each.timed.belt.fingerprint) for each in reversed(results.values())]


def _from_here(path: Path) -> str:
    """Write a path relative to the folder that the run was started in, where it lies below it."""
    here = Path.cwd()
    resolved = path.resolve()
    return str(resolved.relative_to(here)) if resolved.is_relative_to(here) else str(resolved)
