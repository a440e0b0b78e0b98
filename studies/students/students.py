"""What the studies of students share: each is trained with several seeds, scored in torch, and judged at one overkill.

Every training is a stage of its own and each of its epochs is kept: a study may be stopped at any time, the same
command goes on from there. Thresholds and epochs are chosen on val; test is read for the table, and nothing is chosen
by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from ...compress.methods.distill import METHOD
from ...compress.methods.distill.settings import DistillStep
from ...compress.recipe import RecipeSettings, Step
from ...inspection.base.errors import LineFileError
from ...inspection.statistics.roc import auroc
from ...inspection.statistics.threshold import operating_point
from ...pipeline.cli.job import given_line
from ...pipeline.cli.options import answered
from ...pipeline.console import Console
from ...pipeline.line.line_file import LineFile
from ...pipeline.run import open_job
from ...pipeline.stages.build import make_module
from ...pipeline.stages.build_teacher import make_teacher
from ...pipeline.stages.job import Made, RunJob
from ...pipeline.stages.rows import TEACHER, RowPlan
from ...pipeline.stages.score import fitted_on_val
from ...pipeline.stages.stages import Stage, run_stage
from ...pipeline.stages.versions import checkpoint_versions

_AS_LIKELY_AS_NOT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One trained network.

    Attributes:
        variant: What is compared, or `teacher`.
        seed: Of its training.
        val_auroc: In [0, 1]; optimistic, epochs are chosen by it.
        test_auroc: In [0, 1].
        escape: Share of test's defective images that pass at the threshold fitted on val.
        overkill: Share of test's good images rejected there.
        level_escape: Share of test's defective images that pass where the threshold rejects the gate's share of test's
            good ones: variants side by side at one overkill.
    """

    variant: str
    seed: int
    val_auroc: float
    test_auroc: float
    escape: float
    overkill: float
    level_escape: float


def distill_steps(
    line_file: LineFile, *, epochs: int | None = None, samples: int | None = None
) -> dict[str, DistillStep]:
    """Find the students of a line's recipes by recipe, each student once, shortened where asked.

    Raises:
        LineFileError: There is none, or the teacher is a finished graph.
    """
    found: dict[str, DistillStep] = {}
    for recipe in line_file.recipes:
        step = _student_of(recipe)
        if step is not None and step not in found.values():
            found[recipe.name] = step
    if not found or line_file.teacher.onnx is not None:
        got = "a teacher that is a finished ONNX file" if line_file.teacher.onnx else "none"
        msg = f"a study of students: wanted a recipe with a distill step, got {got}; add one"
        raise LineFileError(msg)
    asked = {"epochs": epochs, "samples_per_epoch": samples}
    given = {name: value for name, value in asked.items() if value is not None}
    return {name: step.model_copy(update={"fit": step.fit.model_copy(update=given)}) for name, step in found.items()}


def trained_students(job: RunJob, variants: Mapping[str, DistillStep], *, seeds: int) -> Iterator[Cell]:
    """Train every variant with every seed; what is done already is taken.

    Args:
        job: The run, with its line's first seed.
        variants: Students by name.
        seeds: How many, counted up from the line's.

    Yields:
        The teacher, then one seed after another, all variants of each.
    """
    teacher, first = make_teacher(job), job.line_file.seed
    yield judged(job, TEACHER, teacher)
    for seed in range(first, first + seeds):
        seeded = replace(job, line_file=job.line_file.model_copy(update={"seed": seed}))
        for name, variant in variants.items():
            job.console.notify(f"seed {seed}: {name}")
            yield judged(seeded, name, make_module(seeded, _plan(name, variant), teacher))


def _student_of(recipe: RecipeSettings) -> DistillStep | None:
    return next((step.settings for step in recipe.steps if isinstance(step.settings, DistillStep)), None)


def _plan(name: str, step: DistillStep) -> RowPlan:
    steps = (Step.model_validate({METHOD.name: step.model_dump(mode="json")}),)
    return RowPlan(name=name, role="candidate", backend="torch_eager", steps=steps)


def judged(job: RunJob, variant: str, made: Made) -> Cell:
    """Judge a checkpoint in torch on val and test, at the threshold that val gives it."""
    gate, scores = job.line_file.gates.overkill, _scored(job, made)
    bad = {split: np.array([s.defective for s in job.dataset.of(split)]) for split in ("val", "test")}
    cut = fitted_on_val(job, scores["val"]).threshold
    level = operating_point(scores["test"], bad["test"], max_overkill=gate.max, confidence=_AS_LIKELY_AS_NOT)
    rejected = scores["test"] >= cut
    return Cell(
        variant=variant,
        seed=job.line_file.seed,
        val_auroc=auroc(scores["val"], bad["val"]),
        test_auroc=auroc(scores["test"], bad["test"]),
        escape=float(1 - rejected[bad["test"]].mean()),
        overkill=float(rejected[~bad["test"]].mean()),
        level_escape=level.escapes / int(bad["test"].sum()),
    )


def _scored(job: RunJob, made: Made) -> dict[str, NDArray[np.float64]]:
    """Score val and test in torch, once for each network."""
    inputs = {"source": made.key, "data": job.dataset.digest, "versions": checkpoint_versions(made.path)}
    stage = Stage(name="score in torch", inputs=inputs)

    def work(folder: Path) -> None:
        from ...compress.checkpoint import load_checkpoint
        from ...compress.training.devices import torch_device
        from ...compress.training.scores import batch_scores

        inspector, device = load_checkpoint(made.path).inspector, torch_device("cpu")
        parts = {
            split: batch_scores(inspector, job.dataset, job.dataset.of(split), device) for split in ("val", "test")
        }
        np.savez(folder / "scores.npz", allow_pickle=False, **parts)

    folder = run_stage(job.folder, stage, work, notify=job.console.detail)
    with np.load(folder / "scores.npz", allow_pickle=False) as found:
        return {"val": found["val"], "test": found["test"]}


Seeds = Annotated[int, typer.Option("--seeds", min=1, max=100, help="Trainings of each student.")]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="In place of the recipe's.")]
Samples = Annotated[int | None, typer.Option("--samples", min=1, help="Views an epoch, in place of the recipe's.")]


@contextmanager
def opened(
    line_file: Path | None, *, study: str, runs: Path, epochs: int | None, samples: int | None, verbose: bool
) -> Iterator[tuple[RunJob, dict[str, DistillStep]]]:
    """Open the run `<name>-<study>` and give it with the students of the line's recipes, see `distill_steps`.

    A mistake ends the program with one message, as for any other command.
    """
    with answered(as_json=False):
        console = Console(verbose=verbose)
        asked = given_line(line_file, runs=runs, console=console)
        steps = distill_steps(asked, epochs=epochs, samples=samples)
        named = asked.model_copy(update={"name": f"{asked.run_name[:50]}-{study}"})
        with open_job(named, runs=runs, console=console, measures=False) as job:
            yield job, steps
