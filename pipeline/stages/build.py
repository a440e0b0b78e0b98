"""From the teacher to artifacts: the stages of a row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...benchmarks.timing.engine_timing import EngineBench, Graphs
from ...compress.networks.base.families import own_code
from ...compress.recipe import GraphContext, ModuleContext, Progress, Step, methods
from ...export.contracts import Frame
from ...export.graph_file import open_graph
from ...export.to_onnx import export_graph
from ...inspection.base.storage import digest_of_file, write_json
from ...inspection.data.dataset import Sample, evenly
from ...inspection.data.streaming import frames_of, held_together, prepared_frames_of
from ...targets.fingerprint import weight_bits
from .job import Made, RunJob
from .measure import Device, devices_of, this_machine
from .rows import RowPlan
from .stages import Stage, run_resumable_stage, run_stage
from .val_judge import ValJudge
from .versions import checkpoint_versions, export_versions, graph_versions, machine_digest, machine_of, step_versions

_CALIBRATION_FRAMES = 512
_TIMED_FRAMES = 16
_CACHE = ".latency"
"""Folder beside the runs: a network's times hang on the device and the versions, not on the run."""


def make_module(job: RunJob, row: RowPlan, teacher: Made) -> Made:
    """Work off a row's module steps; rows that begin alike share their stages."""
    steps = [step for step in row.steps if step.works_on == "module"]
    taught_by = make_assistant(job, teacher) if steps and row.role == "candidate" else teacher
    made = teacher
    for step in steps:
        made = _module_step(job, step, made, taught_by, row=row)
    return made


def make_assistant(job: RunJob, teacher: Made) -> Made:
    """Make the network that teaches the candidates; the teacher itself where line.yaml names no assistant."""
    row, made = RowPlan(name="assistant", role="baseline", backend="torch_eager"), teacher
    for step in job.line_file.teacher.assistant:
        made = _module_step(job, step, made, teacher, row=row)
    return made


def make_graph(job: RunJob, row: RowPlan, module: Made) -> tuple[Made, Made]:
    """Export a row's network and work off its graph steps.

    Returns:
        The graph as exported, and the graph after all steps (the same one where there are none).
    """
    exported = module if module.path.suffix == ".onnx" else _export(job, module)
    made = exported
    for step in row.steps:
        if step.works_on == "graph":
            made = _graph_step(job, step, made, row.backend)
    return exported, made


def count(job: RunJob, module: Made) -> dict[str, int]:
    """Count a network's `parameters` and `macs`; empty for a finished ONNX file, whose network is not known."""
    if module.path.suffix == ".onnx":
        return {}
    stage = Stage(name="count", inputs={"source": module.key, "versions": checkpoint_versions(module.path)})

    def work(folder: Path) -> None:
        from ...compress.networks.base.counting import count_network

        write_json(folder / "counts.json", count_network(module.path))

    folder = run_stage(job.folder, stage, work, notify=job.console.detail)
    return dict(json.loads((folder / "counts.json").read_text(encoding="utf-8")))


def calibration_samples(job: RunJob) -> tuple[Sample, ...]:
    """Pick training samples for calibration, evenly spread over good and over defective ones, half and half."""
    train = job.dataset.of("train")
    good = [sample for sample in train if not sample.defective]
    bad = [sample for sample in train if sample.defective]
    chosen = [*evenly(good, _CALIBRATION_FRAMES // 2), *evenly(bad, _CALIBRATION_FRAMES // 2)]
    return tuple(sorted(chosen, key=lambda sample: sample.digest))


def _module_step(job: RunJob, step: Step, source: Made, teacher: Made, *, row: RowPlan) -> Made:
    method = methods()[step.method]
    inputs = {
        "step": step.model_dump(mode="json"),
        "source": source.key,
        "teacher": teacher.key,
        "data": job.dataset.digest,
        "seed": job.line_file.seed,
    }
    network = step.settings.built_network or {}
    inputs |= {**own_code(network), "versions": step_versions(step.method, source.path, network)}
    bits = weight_bits_of(job)
    inputs |= step.settings.made_for(bits)
    if timed := step.settings.wanted_ms is not None:
        inputs["timed"] = timing_facts(job, row)
    stage = Stage(name=step.method, inputs=inputs)

    def graphs(checkpoint: Path) -> Graphs:
        return _graphs(job, row, checkpoint)

    def work(folder: Path, partial: Path) -> None:
        with job.console.progress(step.method) as advance:
            context = ModuleContext(
                dataset=job.dataset,
                teacher=teacher.path,
                target_file=folder / "model.safetensors",
                partial=partial,
                device=job.line_file.teacher.device,
                seed=job.line_file.seed,
                progress=advance,
                timer=engine_timer(job, row, graphs=graphs, progress=advance) if timed else None,
                notify=job.console.notify,
                weight_bits=bits,
            )
            method.apply(source.path, step.settings, context)

    folder = run_resumable_stage(job.folder, stage, work, notify=job.console.detail)
    return Made(path=folder / "model.safetensors", key=stage.digest)


def _graphs(job: RunJob, row: RowPlan, checkpoint: Path) -> Graphs:
    """Export a network that is to be timed and work off its row's graph steps; no bars, since a step is under way.

    Escapes are not asked for: it is not fine-tuned yet, and would lose its int8 layers for that.
    """
    quiet = replace(job, console=job.console.in_lines_only())
    unjudged = replace(row, steps=tuple(step.unjudged() for step in row.steps))
    exported, final = make_graph(quiet, unjudged, Made(path=checkpoint, key=digest_of_file(checkpoint)))
    return Graphs(exported=open_graph(exported.path), final=open_graph(final.path))


def _export(job: RunJob, module: Made) -> Made:
    stage = Stage(name="export", inputs={"source": module.key, "versions": export_versions(module.path)})

    def work(folder: Path) -> None:
        export_graph(module.path, folder)

    folder = run_stage(job.folder, stage, work, notify=job.console.detail)
    return Made(path=folder / "model.onnx", key=stage.digest)


def _graph_step(job: RunJob, step: Step, source: Made, backend: str) -> Made:
    method = methods()[step.method]
    samples = calibration_samples(job)
    inputs = {
        "step": step.model_dump(mode="json"),
        "source": source.key,
        "frames": [sample.digest for sample in samples],
        "for": backend,
        "versions": step_versions(step.method, source.path),
    }
    bits = weight_bits_of(job)
    inputs |= step.settings.made_for(bits)
    quiet = replace(job, console=job.console.in_lines_only())  # a bar is up while the step asks the judge
    judge = ValJudge(job=quiet, backend=backend) if step.settings.judged else None
    if judge is not None:
        inputs["judged"] = judge.facts()
    stage = Stage(name=step.method, inputs=inputs)

    def calibration() -> Iterator[Frame]:
        yield from prepared_frames_of(job.dataset, samples, open_graph(source.path).frame)

    def work(folder: Path) -> None:
        with job.console.progress(step.method) as advance:
            context = GraphContext(
                target_file=folder / "model.onnx",
                calibration=calibration,
                calibration_count=len(samples),
                backend=backend,
                progress=advance,
                judge=judge,
                reference=job.dataset.referenced,
                notify=job.console.notify,
                weight_bits=bits,
            )
            method.apply(source.path, step.settings, context)

    folder = run_stage(job.folder, stage, work, notify=job.console.detail)
    return Made(path=folder / "model.onnx", key=stage.digest)


def engine_timer(job: RunJob, row: RowPlan, *, graphs: Callable[[Path], Graphs], progress: Progress) -> EngineBench:
    """Make what times a row's networks.

    Args:
        job: The run.
        row: Says the backend.
        graphs: Exports a checkpoint and goes through the row's steps on the graph.
        progress: Told which network is being timed.
    """
    device = _timed_on(job, row)
    return EngineBench(
        backend=row.backend,
        target=device.target,
        machine=machine_of(device.facts, row.backend),
        frames=tuple(frames_of(job.dataset, held_together(job.dataset, job.dataset.of("val"), _TIMED_FRAMES))),
        graphs=graphs,
        host=lambda: device.host(job.console.in_lines_only()),
        cache=job.folder.parent / _CACHE,
        progress=progress,
    )


def timing_facts(job: RunJob, row: RowPlan) -> dict[str, Any]:
    """Name what a row's engine times hang on, for the stage that goes by them."""
    device, graph_steps = _timed_on(job, row), [step for step in row.steps if step.works_on == "graph"]
    return {
        "backend": row.backend,
        "graph_steps": [step.model_dump(mode="json") for step in graph_steps],
        "versions": graph_versions(step.method for step in graph_steps),
        "target": [device.name, device.target.threads, list(device.target.cpus)],
        "machine": machine_digest(device.facts, row.backend),
    }


def weight_bits_of(job: RunJob) -> int:
    """Say how many bits int8 weights may have, 7 or 8: for the run's devices, and for this machine, which scores.

    A device that was not met, since this part of a run does not measure, is not known.
    """
    unknown = [dict[str, Any]()] * (len(job.line_file.target) - len(job.devices))
    return weight_bits(this_machine(job.devices).facts, *(device.facts for device in job.devices), *unknown)


def _timed_on(job: RunJob, row: RowPlan) -> Device:
    """Give the first device of the line; this machine where the run has not met any."""
    return next(iter(devices_of(row, job.devices)), None) or this_machine(job.devices)
