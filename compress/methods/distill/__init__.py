"""Distillation: a smaller student learns from the labels and from the teacher at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ....inspection.base.packages import missing_package
from ...recipe import ModuleContext
from .settings import DistillStep


@dataclass(frozen=True, slots=True)
class Distill:
    """The method `distill`."""

    name: str = "distill"
    works_on: Literal["module", "graph"] = "module"
    step_type: type[DistillStep] = DistillStep
    packages: tuple[str, ...] = ("torch",)

    def missing(self) -> str | None:
        """Say whether torch is absent."""
        return missing_package("torch", "train")

    def apply(self, source: Path, step: DistillStep, context: ModuleContext) -> None:
        """Train the student; `source` gives the frame specification and the lineage, the weights start afresh."""
        from .students import train_student

        train_student(source, step, context)


METHOD = Distill()
