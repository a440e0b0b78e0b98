"""The engine timer of a run: networks timed on its device, in the backend and precision that their row ends in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...benchmarks.timing.engine_timing import EngineBench, Graphs
from ...compress.recipe import Progress
from ...inspection.data.dataset import evenly
from ...inspection.data.streaming import frames_of
from .job import RunJob
from .measure import Device, devices_of, this_machine
from .rows import RowPlan
from .versions import machine_digest, machine_of

_FRAMES = 16
_CACHE = ".latency"
"""Folder beside the runs: a network's times hang on the device and the versions, not on the run."""


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
        frames=tuple(frames_of(job.dataset, evenly(job.dataset.of("val"), _FRAMES))),
        graphs=graphs,
        host=lambda: device.host(job.console.in_lines_only()),
        cache=job.folder.parent / _CACHE,
        progress=progress,
    )


def timing_facts(job: RunJob, row: RowPlan) -> dict[str, Any]:
    """Name what a row's engine times hang on, for the stage that goes by them."""
    device = _timed_on(job, row)
    return {
        "backend": row.backend,
        "graph_steps": [step.model_dump(mode="json") for step in row.steps if step.works_on == "graph"],
        "target": [device.name, device.target.threads, list(device.target.cpus)],
        "machine": machine_digest(device.facts, row.backend),
    }


def _timed_on(job: RunJob, row: RowPlan) -> Device:
    """Give the first device of the line; this machine where the run has not met any."""
    return next(iter(devices_of(row, job.devices)), None) or this_machine(job.devices)
