"""Structured pruning: whole channels leave, along the dependency graph, then the teacher fine-tunes the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ....inspection.base.packages import missing_package
from ...recipe import ModuleContext
from .settings import PruneStep


@dataclass(frozen=True, slots=True)
class Prune:
    """The method `prune`."""

    name: str = "prune"
    works_on: Literal["module", "graph"] = "module"
    step_type: type[PruneStep] = PruneStep
    packages: tuple[str, ...] = ("torch", "torch-pruning")

    def missing(self) -> str | None:
        """Say whether torch or torch-pruning is absent."""
        return missing_package("torch", "train") or missing_package("torch_pruning", "train")

    def apply(self, source: Path, step: PruneStep, context: ModuleContext) -> None:
        """Prune the checkpoint's network and fine-tune what is left."""
        from .structured import prune_and_fine_tune

        prune_and_fine_tune(source, step, context)


METHOD = Prune()
