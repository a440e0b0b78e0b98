"""What an artifact says of the images, and how long it takes: the stages that try models out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.report.files import keep_trace
from ...benchmarks.timing.measurement import Measurement, Mode, read_trace, write_trace
from ...benchmarks.timing.measuring import Demand, MeasureLimits, measure_at_line_rate, measure_back_to_back
from ...export.artifacts import backends
from ...export.contracts import Artifact, Session
from ...export.kept_maps import MapWriter
from ...export.parity import Parity, compare_scores, require_no_flips
from ...export.scoring import score_samples
from ...export.sessions import open_session
from ...inspection.base.storage import write_json
from ...inspection.data.dataset import Sample, evenly
from ...inspection.data.streaming import frames_of, held_together
from ...inspection.statistics.judging import by_part
from ...inspection.statistics.quantile import quantile
from ...inspection.statistics.threshold import EscapeLimit, OperatingPoint, operating_point
from .artifact import build_artifact
from .job import Made, RunJob
from .measure import Device
from .stages import Stage, run_stage
from .versions import machine_digest, runtime_of

_TIMED_FRAMES = 64
_PARITY_FRAMES = 400
_BACK_TO_BACK_FRAMES, _BACK_TO_BACK_SECONDS = 300, 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What an artifact says of val and test, in the order of `dataset.of(split)`.

    Attributes:
        val: Scores, float64.
        test: Scores, float64.
        val_maps: File with the heatmaps, see `KeptMaps`; None: they were not kept.
        test_maps: Likewise.
    """

    val: NDArray[np.float64]
    test: NDArray[np.float64]
    val_maps: Path | None = None
    test_maps: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """An artifact's two measurements."""

    belt: Measurement
    back_to_back: Measurement


def score_model(job: RunJob, artifact: Artifact, name: str) -> Scores:
    """Score every val and test image with the artifact as it runs on the device; holds a few frames at a time."""
    test = _scored(job, artifact, {"test": job.dataset.of("test")}, name)["test"]
    val = _scored(job, artifact, {"val": job.dataset.of("val")}, name)["val"]
    return Scores(val=val.scores, test=test.scores, val_maps=val.maps, test_maps=test.maps)


def score_val(job: RunJob, artifact: Artifact, name: str) -> NDArray[np.float64]:
    """Score every val image and none of test, in the order of `dataset.of("val")`: what a search may look at."""
    return _scored(job, artifact, {"val": job.dataset.of("val")}, name)["val"].scores


def as_decided(
    job: RunJob, samples: tuple[Sample, ...], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], tuple[Sample, ...]]:
    """Give what is decided on the line, with its scores: photographs, or whole parts where `data.decide` is `any`."""
    return by_part(scores, samples) if job.line_file.data.decide == "any" else (scores, samples)


def fitted(job: RunJob, scored: Scores) -> OperatingPoint:
    """Fit the threshold on val, for this artifact."""
    return fitted_on_val(job, scored.val)


def fitted_on_val(job: RunJob, scores: NDArray[np.float64]) -> OperatingPoint:
    """Fit a threshold to scores of val, in the order of `dataset.of("val")`."""
    decided, samples = as_decided(job, job.dataset.of("val"), scores)
    return _operating_point(job, decided, samples)


def check_parity(job: RunJob, module: Made, exported: Made, artifact: Artifact, name: str) -> Parity:
    """Follow decisions from torch over ONNX to the artifact, on the same val frames.

    Returns:
        The artifact against torch.

    Raises:
        ParityError: A decision flipped in a stage that was not meant to change numbers; the message names it.
    """
    runtimes = (("torch_eager", module.path), ("onnx_runtime", exported.path), (artifact.backend, artifact.path))
    inputs = {
        "module": module.key,
        "exported": exported.key,
        "artifact": artifact.digest,
        "data": job.dataset.digest,
        "runtimes": [runtime_of(backend, model) for backend, model in runtimes],
    }
    stage = Stage(name="parity", inputs={**inputs, "cut": job.line_file.cut})

    def work(folder: Path) -> None:
        samples = evenly(job.dataset.of("val"), _PARITY_FRAMES)
        reference = build_artifact(job, "torch_eager", module)
        graph = build_artifact(job, "onnx_runtime", exported)
        torch_scores, graph_scores, own_scores = (
            _scored(job, each, {"parity": samples}, name)["parity"].scores for each in (reference, graph, artifact)
        )
        point = _operating_point(job, torch_scores, samples)
        exact = compare_scores(torch_scores, graph_scores, threshold=point.threshold, against="torch_eager")
        require_no_flips(exact, stage=f"{name}: export to ONNX")
        own = compare_scores(torch_scores, own_scores, threshold=point.threshold, against="torch_eager")
        if artifact.precision == "fp32":
            require_no_flips(own, stage=f"{name}: build for {artifact.backend}")
        write_json(folder / "parity.json", own.to_json())

    folder = run_stage(job.folder, stage, work, notify=job.console.detail)
    found = json.loads((folder / "parity.json").read_text(encoding="utf-8"))
    return Parity(**{**found, "flipped": tuple(found["flipped"])})


def measure_latency(job: RunJob, artifact: Artifact, name: str, device: Device) -> Timed:
    """Measure the artifact on a device back to back, then at line rate, each in a fresh process.

    How long a frame takes back to back says how busy the device will be, and with that how many frames a stall delays:
    the proof at line rate is planned for it.
    """
    back_to_back = _measured(job, artifact, name, device)
    settings, budget = job.line_file.measure, job.budget
    brought = max(1, round(settings.minutes * 60 * budget.arrivals.frames_per_s))
    demand = Demand(
        arrivals=budget.arrivals,
        deadline_ms=budget.deadline_ms,
        gate=job.line_file.gates.deadline_miss,
        limits=MeasureLimits(frames=min(settings.frames or brought, brought), seconds=settings.minutes * 60 + 30),
        work_ms=quantile(back_to_back.response_ns, 0.5) / 1e6,
    )
    return Timed(belt=_measured(job, artifact, name, device, demand=demand), back_to_back=back_to_back)


def _measured(
    job: RunJob, artifact: Artifact, name: str, device: Device, *, demand: Demand | None = None
) -> Measurement:
    mode: Mode = "back_to_back" if demand is None else "belt"
    inputs: dict[str, Any] = {
        "artifact": artifact.digest,
        "backend": artifact.backend,
        "mode": mode,
        "target": [device.name, device.target.threads, list(device.target.cpus)],
        "machine": machine_digest(device.facts, artifact.backend),
        "data": job.dataset.digest,
        "frames": demand.limits.frames if demand else _BACK_TO_BACK_FRAMES,
    }
    if demand is not None:
        asked = {"arrivals": asdict(demand.arrivals), "deadline_ms": demand.deadline_ms}
        inputs |= {**asked, "gate": demand.gate.model_dump()}
    stage = Stage(name=f"measure {mode}", inputs=inputs)

    def work(folder: Path) -> None:
        console = job.console if len(job.devices) <= 1 else job.console.in_lines_only()
        frames = list(frames_of(job.dataset, held_together(job.dataset, job.dataset.of("test"), _TIMED_FRAMES)))

        def notify(facts: dict[str, Any]) -> None:
            device.require_going()
            if "of" in facts:
                advance("frames", facts["frames"], facts["of"])
            if "waiting" in facts:
                console.notify(f"{label}: waiting: {facts['waiting']}")

        label = f"{name}: {mode.replace('_', ' ')}"
        with device.host(console) as host, console.progress(label) as advance:
            given: dict[str, Any] = {"target": device.target, "host": host, "progress": notify}
            if demand is None:
                measurement = measure_back_to_back(artifact, frames, limits=_back_to_back(job), **given)
            else:
                measurement = measure_at_line_rate(artifact, frames, demand=demand, **given)
        write_trace(folder / "trace.npz", measurement)

    trace = run_stage(job.folder, stage, work, notify=job.console.detail) / "trace.npz"
    keep_trace(job.folder, name, trace, mode=mode)
    return read_trace(trace)


def _back_to_back(job: RunJob) -> MeasureLimits:
    seconds = min(_BACK_TO_BACK_SECONDS, 60 * job.line_file.measure.minutes)
    return MeasureLimits(frames=_BACK_TO_BACK_FRAMES, seconds=seconds)


def _operating_point(job: RunJob, scores: NDArray[np.float64], samples: tuple[Sample, ...]) -> OperatingPoint:
    escape = job.line_file.gates.escape
    limits = [EscapeLimit(of=[sample.defective for sample in samples], max=escape.max)]
    limits += [
        EscapeLimit(of=[kind in sample.kinds for sample in samples], max=gate.max)
        for kind, gate in escape.kinds.items()
    ]
    return operating_point(
        scores,
        [sample.defective for sample in samples],
        max_overkill=job.line_file.val_overkill,
        confidence=job.line_file.gates.overkill.confidence,
        groups=[sample.group for sample in samples] if job.line_file.teacher.good_only else None,
        escape_limits=limits,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Scores `[samples]` of a part of the data, and the file with its heatmaps."""

    scores: NDArray[np.float64]
    maps: Path


def _scored(job: RunJob, artifact: Artifact, parts: Mapping[str, tuple[Sample, ...]], name: str) -> dict[str, _Part]:
    """Score named parts of the data, once for each artifact, whichever rows it serves."""
    inputs = {
        "artifact": artifact.digest,
        "runtime": runtime_of(artifact.backend, artifact.path),
        "data": job.dataset.digest,
        "parts": {part: len(samples) for part, samples in parts.items()},
        "maps": True,
    }
    stage = Stage(name="score", inputs=inputs)

    def work(folder: Path) -> None:
        with open_session(backends()[artifact.backend], artifact, threads=job.target.threads) as session:
            scores = {
                part: _pass(job, session, samples, f"{name}: {part}", folder / f"{part}-maps.npz")
                for part, samples in parts.items()
            }
        np.savez(folder / "scores.npz", allow_pickle=False, **scores)

    folder = run_stage(job.folder, stage, work, notify=job.console.detail)
    with np.load(folder / "scores.npz", allow_pickle=False) as found:
        return {part: _Part(scores=found[part], maps=folder / f"{part}-maps.npz") for part in parts}


def _pass(
    job: RunJob, session: Session, samples: tuple[Sample, ...], label: str, maps_file: Path
) -> NDArray[np.float64]:
    kept = MapWriter()
    with job.console.progress(label) as advance:
        scores = score_samples(
            session,
            job.dataset,
            samples,
            progress=lambda done: advance("scored", done, len(samples)),
            take=kept.take,
        ).scores
    kept.write(maps_file)
    return scores
