"""From judged rows to report.json and report.html, with the worst errors of the row shown and its soak."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...benchmarks.proof.gate import Finding
from ...benchmarks.proof.summary import engine_summary
from ...benchmarks.report.decision import row_cautions, shown_row
from ...benchmarks.report.files import soak_of
from ...benchmarks.report.gallery import GalleryItem
from ...benchmarks.report.inspected_view import InspectedView
from ...benchmarks.report.render import render_report
from ...benchmarks.report.schema import (
    AskedGates,
    Budget,
    Data,
    GateFinding,
    OnVal,
    Parity,
    Rate,
    Report,
    Row,
)
from ...benchmarks.report.schema import Device as DevicePart
from ...benchmarks.report.schema import Quality as QualityPart
from ...benchmarks.report.schema_parts import Circumstances, Search, WhatIf
from ...benchmarks.report.schema_times import Interleaved, Latency, Speedup, Typical
from ...benchmarks.soak.schema import SoakSummary
from ...benchmarks.timing.disturbances import circumstances
from ...export.artifacts import backends
from ...export.contracts import Frame
from ...export.scoring import score_samples
from ...export.sessions import open_session
from ...inspection.base.errors import MeasurementError
from ...inspection.base.storage import write_bytes, write_json
from ...inspection.data.bayer import in_colour
from ...inspection.data.dataset import SPLITS
from ...inspection.data.images import read_frame
from ...inspection.data.runs import mask_of
from ...inspection.data.streaming import frames_of, read_sample_mask
from ...inspection.references.pairs import compared
from ...inspection.statistics.quality import Quality
from ...inspection.statistics.quantile import quantile
from ..deploy.bundling import transport_bytes
from ..line.what_if import what_if
from ..search.found import search_of_report
from ..stages.job import DOUBT, RunJob
from ..stages.judge import Judged, RowResult, chosen_row, judged_rows
from ..stages.measure import Device
from ..stages.score import as_decided

_GALLERY_EACH = 12
_SPEEDS = 24
_NOTED = (
    "kernel",
    "power",
    "power_mode",
    "governor",
    "energy_preference",
    "turbo",
    "smt",
    "hypervisor",
    "cpu_quota",
    "clocksource",
    "python",
)


def write_report(job: RunJob, results: Sequence[RowResult]) -> Report:
    """Judge all rows, write `report.json` and `report.html` into the run's folder, and give the report."""
    judged = judged_rows(job, results)
    report = _unless_noted_before(job.folder / "report.json", _report(job, judged))
    content = report.model_dump(mode="json", by_alias=True)
    write_json(job.folder / "report.json", content)
    shown = next(each for each in judged if each.result.name == shown_row(report).name)
    traces = {each.result.name: each.result.timed.belt for each in judged}
    page = render_report(
        content, _gallery(job, shown), traces, soak=_soak_shown(job, shown), inspected=_inspected_view(job)
    )
    write_bytes(job.folder / "report.html", page.encode())
    return report


def _unless_noted_before(path: Path, report: Report) -> Report:
    """Keep the time of the run that found all this out first: the same findings give the same bytes."""
    try:
        before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return report
    noted = report.model_copy(update={"started": before.get("started")})
    return noted if noted.model_dump(mode="json", by_alias=True) == before else report


def _report(job: RunJob, judged: Sequence[Judged]) -> Report:
    devices = _devices(judged)
    rows = [_row(job, each, several_devices=len(devices) > 1) for each in judged]
    teacher = next(row for row in rows if row.role == "teacher")
    search = search_of_report(job).get("search")
    doubt = [] if job.doubt is None else [f"{DOUBT}: {job.doubt.text}."]
    rows = [row.model_copy(update={"cautions": [*doubt, *row_cautions(row, teacher)]}) for row in rows]
    report = Report(
        format=1,
        name=job.line_file.run_name,
        started=job.started,
        budget=_budget(job),
        gates=AskedGates.model_validate(job.line_file.gates.model_dump(mode="json")),
        data=_data(job),
        device=devices[0],
        devices=devices if len(devices) > 1 else [],
        rows=rows,
        selected=chosen_row(judged),
        search=Search.model_validate(search) if search else None,
    )
    return report.model_copy(update={"cautions": [*shown_row(report).cautions, *report.data.cautions]})


def _budget(job: RunJob) -> Budget:
    gate = job.line_file.gates.deadline_miss
    return Budget(
        period_ms=job.budget.period_ms,
        deadline_ms=job.budget.deadline_ms,
        miss_max=gate.max,
        confidence=gate.confidence,
        fixed_parts_ms=dict(job.budget.fixed_parts_ms),
        belt_speed_mm_s=job.line_file.line.belt_speed_mm_s,
        frames_per_s=job.budget.arrivals.frames_per_s,
        arrivals=job.line_file.line.model_dump(include={"cameras", "jitter_ms", "bursts"}),
    )


def _row(job: RunJob, judged: Judged, *, several_devices: bool) -> Row:
    result, verdict, line_file = judged.result, judged.verdict, job.line_file
    return Row(
        name=result.name,
        role=result.plan.role,
        recipe=[step.sentence() for step in result.plan.steps],
        backend=result.artifact.backend,
        precision=result.artifact.precision,
        threads=result.device.target.threads,
        artifact=_from_here(result.artifact.path),
        lineage=list(result.artifact.lineage),
        size_bytes=result.artifact.size_bytes,
        transport_bytes=transport_bytes(job, result),
        parameters=result.counts.get("parameters"),
        macs=result.counts.get("macs"),
        quality=_quality(judged.quality),
        val=OnVal(
            overkill=Rate.model_validate(asdict(judged.point.overkill)),
            escapes=judged.point.escapes,
            threshold_proven=judged.point.proven,
        ),
        parity=Parity.model_validate(result.parity.to_json()) if result.parity else None,
        verdict=verdict.verdict,
        gates={name: _finding(each) for name, each in verdict.findings.items()},
        reasons=list(verdict.reasons),
        next_steps=list(verdict.next_steps),
        device=result.device.name if several_devices else None,
        what_if=WhatIf.model_validate(
            what_if(
                result.timed.belt, line_file.line, line_file.gates.deadline_miss, speeds=_SPEEDS, seed=line_file.seed
            )
        ),
        circumstances=Circumstances.model_validate(circumstances(result.timed.belt)),
        **_times(judged),
    )


def _times(judged: Judged) -> dict[str, Any]:
    """Give the parts of a row that hold times."""
    result = judged.result
    response_ms = result.timed.back_to_back.response_ns / 1e6
    compared = result.compared.to_json() if result.compared else {"interleaved_ms": None, "speedup": None}
    return {
        "latency_ms": Latency.model_validate(judged.latency),
        "back_to_back_ms": Typical(
            frames=int(response_ms.size), p50=quantile(response_ms, 0.5), p99=quantile(response_ms, 0.99)
        ),
        "engine_ms": Typical.model_validate(engine_summary(result.timed.back_to_back)),
        "interleaved_ms": Interleaved.model_validate(compared["interleaved_ms"]) if result.compared else None,
        "speedup": Speedup.model_validate(compared["speedup"]) if compared["speedup"] else None,
    }


def _finding(finding: Finding) -> GateFinding:
    return GateFinding.model_validate({**asdict(finding), "scale": list(finding.scale) if finding.scale else None})


def _quality(quality: Quality) -> QualityPart:
    found = asdict(quality)
    paired = found["paired"]
    return QualityPart.model_validate(
        {
            **found,
            "auroc_interval": list(quality.auroc_interval),
            "paired": paired and {**paired, "new_escape_paths": list(paired["new_escape_paths"])},
            "by_kind": [{"name": each["name"], **each["rate"]} for each in found["by_kind"]],
            "by_group": [{"name": each["name"], **each["rate"]} for each in found["by_group"]],
            "by_size": list(found["by_size"]),
            "by_design": list(found["by_design"]),
            "gated_kinds": [{"name": each["name"], **each["rate"]} for each in found["gated_kinds"]],
            "findings": quality.findings and {**found["findings"], "confusion": list(found["findings"]["confusion"])},
            "limits": quality.limits and {**found["limits"], "decided": list(found["limits"]["decided"])},
        }
    )


def _data(job: RunJob) -> Data:
    splits = {split: job.dataset.of(split) for split in SPLITS}
    return Data(
        name=job.dataset.name,
        digest=job.dataset.digest,
        images={split: len(samples) for split, samples in splits.items()},
        groups={split: len({sample.group for sample in samples}) for split, samples in splits.items()},
        defective={split: sum(sample.defective for sample in samples) for split, samples in splits.items()},
        notes=list(job.dataset.notes),
        cautions=list(job.dataset.cautions),
    )


def _devices(judged: Sequence[Judged]) -> list[DevicePart]:
    """Describe every device that a row was timed on, those of the candidates first."""
    ordered = sorted(judged, key=lambda each: each.result.plan.role == "teacher")
    results = {each.result.device.name: each.result for each in reversed(ordered)}
    return [device_facts(each.device, each.timed.belt.fingerprint) for each in reversed(results.values())]


def device_facts(device: Device, fingerprint: dict[str, Any]) -> DevicePart:
    """Describe a device that rows were timed on; what its system does not say is left out.

    Args:
        device: As the run met it.
        fingerprint: Of one of its measurements.
    """
    target = device.target
    more = {name: fingerprint[name] for name in _NOTED if fingerprint.get(name) is not None}
    if device.settings.ssh:
        more["address"] = device.settings.ssh
    if target.differs:
        more["not_its_profile"] = "; ".join(target.differs)
    return DevicePart(
        name=target.name,
        cpu=fingerprint.get("cpu"),
        isa=list(fingerprint.get("isa", [])),
        threads=target.threads,
        versions=dict(fingerprint.get("versions", {})),
        **more,
    )


def _from_here(path: Path) -> str:
    """Write a path relative to the folder that the run was started in, where it lies below it."""
    here = Path.cwd()
    resolved = path.resolve()
    return str(resolved.relative_to(here)) if resolved.is_relative_to(here) else str(resolved)


def _soak_shown(job: RunJob, shown: Judged) -> SoakSummary | None:
    """Read the soak of the row shown; a damaged one is named on the console and the report is written without it."""
    names = (shown.result.name, shown.result.plan.name)
    try:
        return soak_of(job.folder, names, artifact_digest=shown.result.artifact.digest)
    except MeasurementError as error:
        job.console.notify(f"left out of the report: {error}")
        return None


def _gallery(job: RunJob, shown: Judged) -> list[GalleryItem]:
    """Show the worst escapes and overkills: those furthest on the wrong side of the threshold."""
    scores, test = as_decided(job, job.dataset.of("test"), shown.result.scored.test)
    rejected = scores >= shown.quality.threshold
    order = np.argsort(scores, kind="stable")
    escapes = [int(i) for i in order if test[i].defective and not rejected[i]][:_GALLERY_EACH]
    overkills = [int(i) for i in order[::-1] if not test[i].defective and rejected[i]][:_GALLERY_EACH]
    chosen = [*escapes, *overkills]
    samples = tuple(test[i] for i in chosen)
    artifact = shown.result.artifact
    with open_session(backends()[artifact.backend], artifact, threads=job.target.threads) as session:
        heatmaps = score_samples(session, job.dataset, samples, keep_heatmaps=range(len(samples))).heatmaps
    return [
        GalleryItem(
            path=sample.path,
            label=sample.label,
            kind="escape" if sample.defective else "overkill",
            score=float(scores[index]),
            frame=photograph,
            heatmap=heatmaps[position],
            mask=read_sample_mask(job.dataset, sample),
            reference=reference,
        )
        for position, (index, sample, (photograph, reference)) in enumerate(
            zip(chosen, samples, map(partial(_with_reference, job), frames_of(job.dataset, samples)), strict=True)
        )
    ]


def _inspected_view(job: RunJob) -> InspectedView | None:
    """Show on the first good photograph of train what of it is inspected; None: all of it, as one piece."""
    camera, dataset = job.dataset.camera, job.dataset
    if (camera.region, camera.ignore, camera.tiles) == (None, None, None):
        return None
    sample = next((each for each in dataset.of("train") if not each.defective), dataset.samples[0])
    path = dataset.root / sample.path
    raw = read_frame(path, channels=dataset.file_channels, bit_depth=dataset.bit_depth, window=dataset.window)
    return InspectedView(
        path=sample.path,
        frame=in_colour(raw, camera.bayer),
        region=camera.region,
        ignored=None if dataset.ignore is None else mask_of(dataset.ignore, sample.height, sample.width),
        tiles=camera.tiles,
    )


def _with_reference(job: RunJob, frame: Frame) -> tuple[Frame, Frame | None]:
    """Give the photograph, and the reference as the model saw it; None: it compares nothing."""
    if not job.dataset.referenced:
        return in_colour(frame, job.dataset.camera.bayer), None
    both = compared(frame)
    return both.frame, both.reference[:, :, :-1]
