"""From tried rows to report.json and report.html: judging, choosing, and showing what went wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..benchmarks.disturbances import circumstances
from ..benchmarks.measuring import prove_measurement
from ..benchmarks.report.decision import shown_row
from ..benchmarks.report.files import soak_of
from ..benchmarks.report.gallery import GalleryItem
from ..benchmarks.report.reading import checked_report
from ..benchmarks.report.render import render_report
from ..benchmarks.report.schema import Report
from ..benchmarks.soak.schema import SoakSummary
from ..benchmarks.steadiness import steadiness
from ..benchmarks.summary import engine_summary, latency_summary
from ..benchmarks.verdict import Standing, Verdict, judge, select
from ..export.artifacts import backends
from ..export.contracts import Artifact
from ..export.parity import Parity
from ..export.scoring import score_samples
from ..inspection.dataset import SPLITS, Sample
from ..inspection.errors import MeasurementError
from ..inspection.images import read_mask
from ..inspection.judging import TeacherDecisions, decide, judge_quality
from ..inspection.quality import Quality
from ..inspection.storage import write_bytes, write_json
from ..inspection.streaming import frames_of
from ..inspection.threshold import OperatingPoint
from .device_facts import device_facts
from .devices import Device
from .interleaving import Compared
from .job import RunJob
from .rows import TEACHER, RowPlan
from .trying import Timed, Tried, fitted
from .what_if import what_if

_GALLERY_EACH = 12
_SPEEDS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """Everything that was found out about one row.

    Attributes:
        name: The plan's; of a model that is measured on several devices `<plan>@<device>`.
        plan: What was to be made.
        artifact: What runs.
        counts: `parameters` and `macs`, where the network is known.
        tried: Scores on val and test.
        timed: Latency.
        parity: Against torch; None for the teacher in torch.
        device: Where it was timed.
        compared: Against the teacher, where all rows took turns.
    """

    name: str
    plan: RowPlan
    artifact: Artifact
    counts: Mapping[str, int]
    tried: Tried
    timed: Timed
    parity: Parity | None
    device: Device
    compared: Compared | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    result: RowResult
    quality: Quality
    verdict: Verdict
    latency: dict[str, Any]
    point: OperatingPoint


def write_report(job: RunJob, results: Sequence[RowResult]) -> Report:
    """Judge all rows, write `report.json` and `report.html` into the run's folder, and give the report."""
    judged = _judged(job, results)
    report = _unless_told_before(job.folder / "report.json", _report(job, judged))
    checked = checked_report(report)
    write_json(job.folder / "report.json", report)
    shown = next(each for each in judged if each.result.name == shown_row(checked).name)
    traces = {each.result.name: each.result.timed.belt for each in judged}
    page = render_report(report, _gallery(job, shown), traces, soak=_soak(job, shown))
    write_bytes(job.folder / "report.html", page.encode())
    return checked


def _unless_told_before(path: Path, report: dict[str, Any]) -> dict[str, Any]:
    """Keep the time of the run that found all this out first: the same findings give the same bytes."""
    try:
        before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return report
    told = {**json.loads(json.dumps(report)), "started": before.get("started")}
    return told if told == before else report


def _judged(job: RunJob, results: Sequence[RowResult]) -> list[_Judged]:
    points = {result.plan.name: fitted(job, result.tried) for result in results}
    teacher = next(result for result in results if result.plan.name == TEACHER)
    test = job.dataset.of("test")
    reference = decide(TEACHER, teacher.tried.test, test, threshold=points[TEACHER].threshold)
    return [
        _judge(job, result, points[result.plan.name], None if result is teacher else reference) for result in results
    ]


def _judge(job: RunJob, result: RowResult, point: OperatingPoint, reference: TeacherDecisions | None) -> _Judged:
    gates, deadline_ms = job.line_file.gates, job.budget.deadline_ms
    quality = judge_quality(
        result.tried.test,
        job.dataset.of("test"),
        threshold=point.threshold,
        gates=gates,
        teacher=reference,
        seed=job.line_file.seed,
    )
    belt = result.timed.belt
    proof = prove_measurement(belt, deadline_ms=deadline_ms, gate=gates.deadline_miss)
    steady = steadiness(belt, deadline_ms=deadline_ms, gate=gates.deadline_miss)
    return _Judged(
        result=result,
        quality=quality,
        verdict=judge(
            proof,
            quality,
            gates,
            deadline_ms=deadline_ms,
            steadiness=steady,
            frames_per_s=job.budget.arrivals.frames_per_s,
        ),
        latency=latency_summary(belt, deadline_ms=deadline_ms, proof=proof, steady=steady),
        point=point,
    )


def _report(job: RunJob, judged: Sequence[_Judged]) -> dict[str, Any]:
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
        "selected": select(_standings(judged)),
    }


def _standings(judged: Sequence[_Judged]) -> list[Standing]:
    """Give each model's standing; one that is to run on several devices must fit all of them, the slowest counts."""
    models: dict[str, list[_Judged]] = {}
    for each in judged:
        models.setdefault(each.result.plan.name, []).append(each)
    return [max((_standing(each) for each in rows), key=_worse) for rows in models.values()]


def _standing(judged: _Judged) -> Standing:
    return Standing(
        name=judged.result.name,
        verdict=judged.verdict.verdict,
        engine_p50_ms=engine_summary(judged.result.timed.back_to_back)["p50"],
        size_bytes=judged.result.artifact.size_bytes,
    )


def _worse(standing: Standing) -> tuple[bool, float]:
    return standing.verdict != "fits", standing.engine_p50_ms


def _row(job: RunJob, judged: _Judged) -> dict[str, Any]:
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
        "artifact": _from_here(result.artifact.path),
        "size_bytes": result.artifact.size_bytes,
        **result.counts,
        "latency_ms": latency,
        "back_to_back_ms": {"frames": int(response_ms.size), **_quantiles(response_ms)},
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


def _quantiles(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    return {name: float(np.quantile(values, share, method="higher")) for name, share in (("p50", 0.5), ("p99", 0.99))}


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


def _devices(judged: Sequence[_Judged]) -> list[dict[str, Any]]:
    """Describe every device that a row was timed on, those of the candidates first."""
    ordered = sorted(judged, key=lambda each: each.result.plan.role == "teacher")
    results = {each.result.device.name: each.result for each in reversed(ordered)}
    return [device_facts(each.device, each.timed.belt.fingerprint) for each in reversed(results.values())]


def _soak(job: RunJob, shown: _Judged) -> SoakSummary | None:
    """Read the soak of the row shown; a damaged one is told of and does not keep the report from being written."""
    names = (shown.result.name, shown.result.plan.name)
    try:
        return soak_of(job.folder, names, artifact_digest=shown.result.artifact.digest)
    except MeasurementError as error:
        job.console.tell(f"left out of the report: {error}")
        return None


def _gallery(job: RunJob, shown: _Judged) -> list[GalleryItem]:
    """Show the worst escapes and overkills: those furthest on the wrong side of the threshold."""
    test, scores = job.dataset.of("test"), shown.result.tried.test
    rejected = scores >= shown.quality.threshold
    order = np.argsort(scores, kind="stable")
    escapes = [int(i) for i in order if test[i].defective and not rejected[i]][:_GALLERY_EACH]
    overkills = [int(i) for i in order[::-1] if not test[i].defective and rejected[i]][:_GALLERY_EACH]
    chosen = [*escapes, *overkills]
    samples = tuple(test[i] for i in chosen)
    artifact = shown.result.artifact
    with backends()[artifact.backend].load(artifact, threads=job.target.threads) as session:
        heatmaps = score_samples(session, job.dataset, samples, keep_heatmaps=range(len(samples))).heatmaps
    return [
        GalleryItem(
            path=sample.path,
            label=sample.label,
            kind="escape" if sample.defective else "overkill",
            score=float(scores[index]),
            frame=frame,
            heatmap=heatmaps[position],
            mask=_mask(job, sample),
        )
        for position, (index, sample, frame) in enumerate(
            zip(chosen, samples, frames_of(job.dataset, samples), strict=True)
        )
    ]


def _mask(job: RunJob, sample: Sample) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    return read_mask(job.dataset.root / sample.mask) if sample.mask else None


def _from_here(path: Path) -> str:
    """Write a path relative to the folder that the run was started in, where it lies below it."""
    here = Path.cwd()
    resolved = path.resolve()
    return str(resolved.relative_to(here)) if resolved.is_relative_to(here) else str(resolved)
