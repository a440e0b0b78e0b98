"""One run's givens, handed from stage to stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...inspection.data.dataset import Dataset
from ...inspection.line.line import LineBudget
from ...inspection.statistics.usefulness import Doubt
from ...targets.target import Target
from ..console import Console
from ..line.line_file import LineFile
from .measure import Device

DOUBT = "The teacher may be useless"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunJob:
    """What every stage of a run may look at.

    Attributes:
        folder: `runs/<name>`, locked by this process.
        line_file: What the user asked for.
        budget: The belt's times.
        dataset: All samples, splits settled.
        target: This machine, where models are made and scored.
        devices: Where they are measured; empty before the part of a run that measures.
        console: Where progress goes.
        started: When this call began, ISO 8601, UTC.
        doubt: Why the teacher may be useless; no verdict is `fits` then.
    """

    folder: Path
    line_file: LineFile
    budget: LineBudget
    dataset: Dataset
    target: Target
    console: Console
    started: str
    devices: tuple[Device, ...] = ()
    doubt: Doubt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A finished stage's result.

    Attributes:
        path: Its main file.
        key: Digest of the stage: what later stages name as their input.
    """

    path: Path
    key: str
