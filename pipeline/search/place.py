"""What a worker is given once: everything that its tasks have in common, fit to be sent to another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...inspection.data.dataset import Dataset
from ...inspection.line.line import budget_of
from ...targets.settings import TargetSettings
from ...targets.target import Target
from ..console import Console
from ..line.line_file import LineFile
from ..stages.job import Made, RunJob
from ..stages.measure import Device


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
