"""Draw, time and grade a trial, each a chain of the run's own stages on train and val; what a worker needs for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.timing.measurement import Measurement, write_trace
from ...benchmarks.timing.measuring import Demand, MeasureLimits, measure_at_line_rate, measure_back_to_back
from ...compress.methods.distill.settings import DistillStep
from ...compress.methods.prune.settings import PruneStep
from ...export.contracts import Artifact
from ...inspection.base.errors import RecipeError
from ...inspection.base.storage import write_json
from ...inspection.data.dataset import Dataset
from ...inspection.data.streaming import frames_of, held_together
from ...inspection.line.line import budget_of
from ...inspection.statistics.paired import compare_escapes
from ...inspection.statistics.quantile import quantile
from ...inspection.statistics.roc import auroc
from ...targets.settings import TargetSettings
from ...targets.target import Target
from ..console import Console
from ..line.line_file import LineFile
from ..stages.artifact import build_artifact
from ..stages.build import make_graph, make_module
from ..stages.job import Made, RunJob
from ..stages.measure import Device, devices_of, on_each
from ..stages.rows import TEACHER, RowPlan
from ..stages.score import as_decided, fitted_on_val, score_val
from ..stages.stages import Stage, run_stage
from ..stages.versions import machine_digest, network_versions
from .trials import Grade, Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A device of the run, without what cannot be sent."""

    settings: TargetSettings
    target: Target
    facts: Mapping[str, Any]
    missing: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where trials are made, and against what.

    Attributes:
        folder: The run's; stages are found and left there.
        line_file: The user's.
        dataset: Train and val are used, test never.
        target: This machine, where models are made and scored.
        devices: Where they are timed.
        teacher: Its checkpoint.
        caught: Paths of val's defective images that the teacher rejects at its own threshold.
    """

    folder: Path
    line_file: LineFile
    dataset: Dataset
    target: Target
    devices: tuple[Met, ...]
    teacher: Made
    caught: frozenset[str]

    def job(self, console: Console, *, threads: int | None = None) -> RunJob:
        """Set up what stages look at.

        Args:
            console: Where progress goes.
            threads: That scoring may use; None: the target's.
        """
        return RunJob(
            folder=self.folder,
            line_file=self.line_file,
            budget=budget_of(self.line_file.line, seed=self.line_file.seed),
            dataset=self.dataset,
            target=self.target if threads is None else replace(self.target, threads=threads),
            console=console,
            started=datetime.now(tz=timezone.utc).isoformat(timespec="seconds"),
            devices=tuple(
                Device(settings=each.settings, target=each.target, facts=each.facts, missing=each.missing)
                for each in self.devices
            ),
        )


def place_of(job: RunJob, teacher: Made, caught: frozenset[str]) -> Place:
    """Take from a run what its workers need."""
    return Place(
        folder=job.folder,
        line_file=job.line_file,
        dataset=job.dataset,
        target=job.target,
        devices=tuple(
            Met(settings=each.settings, target=each.target, facts=dict(each.facts), missing=dict(each.missing))
            for each in job.devices
        ),
        teacher=teacher,
        caught=caught,
    )


_TIMED_FRAMES = 64
_BRIEFLY = MeasureLimits(frames=4000, seconds=8)
_STRETCHES = 10
"""Of a brief measurement: the middle one counts, so that a stall of the machine does not decide between two trials."""

_PACED_SECONDS = 20.0


def drawn(job: RunJob, plan: RowPlan, teacher: Made) -> Artifact:
    """Build what a trial would run, with weights that never saw an image.

    Raises:
        RecipeError: Its pruning cannot be applied.
        BeltlineError: The backend does not take it.
    """
    student = _student_of(plan)
    pruning = next((step.settings for step in plan.steps if isinstance(step.settings, PruneStep)), None)
    shape: dict[str, Any] = {"network": student.network, "input_size": student.input_size}
    if pruning is not None:
        shape |= {"ratio": pruning.ratio, "round_to": pruning.round_to}
    versions = network_versions(student.network, "torch-pruning")
    stage = Stage(
        name="draw", inputs={**shape, "teacher": teacher.key, "seed": job.line_file.seed, "versions": versions}
    )

    def work(folder: Path) -> None:
        from ...compress.methods.prune.structured import Sketch, draw_student

        draw_student(teacher.path, Sketch(**shape), folder / "model.safetensors", seed=job.line_file.seed)

    folder = run_stage(job.folder, stage, work, notify=job.console.detail)
    return _built(job, plan, Made(path=folder / "model.safetensors", key=stage.digest))


def graded(job: RunJob, plan: RowPlan, place: Place) -> tuple[Artifact, Grade]:
    """Train a trial for one rung and grade what comes of it on val.

    Raises:
        RecipeError: Training broke down, such as by a loss that is no number.
        BeltlineError: A later step failed.
    """
    artifact = _built(job, plan, make_module(job, plan, place.teacher))
    scores = score_val(job, artifact, plan.name)
    return artifact, _grade(job, plan, scores, place.caught, size_bytes=artifact.size_bytes)


def timed(job: RunJob, plan: RowPlan, artifact: Artifact, *, paced: bool, trained: bool) -> Timing:
    """Time an artifact on all devices of its row; the slowest counts.

    Args:
        job: The run.
        plan: Says with how many threads.
        artifact: What to run.
        paced: At line rate, else back to back.
        trained: Whether its weights are; for the record.

    Raises:
        HostError: A device cannot be reached any more.
        MeasurementError: The model failed there.
    """

    def on(device: Device) -> Timing:
        times = _times(job, plan, artifact, device, paced=paced)
        return Timing(**times, paced=paced, trained=trained)

    return max(on_each(devices_of(plan, job.devices), on), key=lambda each: each.engine_p99_ms)


def _student_of(plan: RowPlan) -> DistillStep:
    return next(step.settings for step in plan.steps if isinstance(step.settings, DistillStep))


def _built(job: RunJob, plan: RowPlan, module: Made) -> Artifact:
    exported, graph = make_graph(job, plan, module)
    return build_artifact(job, plan.backend, graph, module if graph is exported else None)


def _grade(
    job: RunJob, plan: RowPlan, scores: NDArray[np.float64], caught: frozenset[str], *, size_bytes: int
) -> Grade:
    gate = job.line_file.gates.escape
    if not np.isfinite(scores).all():
        msg = f"{plan.name}: its scores are no numbers; did training diverge?"
        raise RecipeError(msg)
    decided, val = as_decided(job, job.dataset.of("val"), scores)
    defective = np.array([sample.defective for sample in val])
    bad = [sample for sample in val if sample.defective]
    passed = decided[defective] < fitted_on_val(job, scores).threshold
    paired = compare_escapes(
        passed,
        np.array([sample.path not in caught for sample in bad]),
        paths=[sample.path for sample in bad],
        groups=[sample.group for sample in bad],
        against=TEACHER,
        confidence=gate.confidence,
    )
    student = _student_of(plan)
    return Grade(
        epochs=student.fit.epochs,
        escapes=int(passed.sum()),
        defects=len(bad),
        increase=paired.increase,
        auroc=auroc(decided, defective),
        size_bytes=size_bytes,
    )


def _times(job: RunJob, plan: RowPlan, artifact: Artifact, device: Device, *, paced: bool) -> dict[str, float]:
    minutes = job.line_file.measure.minutes
    limits = MeasureLimits(frames=100_000, seconds=min(_PACED_SECONDS, 60 * minutes)) if paced else _BRIEFLY
    inputs = {
        "artifact": artifact.digest,
        "backend": artifact.backend,
        "paced": [str(job.budget.arrivals), job.budget.deadline_ms] if paced else None,
        "limits": [limits.frames, limits.seconds, *([] if paced else [_STRETCHES])],
        "target": [device.name, device.target.threads, list(device.target.cpus)],
        "machine": machine_digest(device.facts, artifact.backend),
        "data": job.dataset.digest,
    }

    def work(folder: Path) -> None:
        measurement = _measured(job, artifact, device, limits, paced=paced)
        write_trace(folder / "trace.npz", measurement)
        write_json(folder / "times.json", _summary(measurement, stretches=1 if paced else _STRETCHES))

    folder = run_stage(job.folder, Stage(name="time", inputs=inputs), work, notify=job.console.detail)
    found: dict[str, float] = json.loads((folder / "times.json").read_text(encoding="utf-8"))
    job.console.detail(f"{plan.name} on {device.name}: {found}")
    return found


def _measured(job: RunJob, artifact: Artifact, device: Device, limits: MeasureLimits, *, paced: bool) -> Measurement:
    samples = held_together(job.dataset, job.dataset.of("val"), _TIMED_FRAMES)
    frames = list(frames_of(job.dataset, samples))
    with device.host(job.console) as host:
        if not paced:
            return measure_back_to_back(artifact, frames, target=device.target, limits=limits, host=host)
        gate, budget = job.line_file.gates.deadline_miss, job.budget
        demand = Demand(arrivals=budget.arrivals, deadline_ms=budget.deadline_ms, gate=gate, limits=limits)
        return measure_at_line_rate(artifact, frames, demand=demand, target=device.target, host=host)


def _summary(measurement: Measurement, *, stretches: int) -> dict[str, float]:
    return {
        "engine_p99_ms": _middle(measurement.engine_ns, 0.99, stretches),
        "p50_ms": _middle(measurement.response_ns, 0.5, stretches),
        "p99_ms": _middle(measurement.response_ns, 0.99, stretches),
    }


def _middle(times_ns: NDArray[np.int64], share: float, stretches: int) -> float:
    """Give the quantile of the middle one of so many stretches, in milliseconds."""
    parts = np.array_split(times_ns / 1e6, min(stretches, times_ns.size))
    return float(np.median([quantile(part, share) for part in parts]))
