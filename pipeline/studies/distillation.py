"""What does each of the teacher's terms bring? `python -m beltline.pipeline.studies.distillation line.yaml`.

The student of the first `distill` step is trained on the labels alone, then with the teacher's score, heatmap and
feature maps added one after the other, each with several seeds. Every training is a stage of its own and each of its
epochs is kept: it may be stopped at any time, the same command goes on from there. Thresholds and epochs are chosen on
val; test is read for the table, and nothing is chosen by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from ...compress.distilling.teacher_terms import FeatureTerm
from ...compress.methods.distill import METHOD, DistillStep
from ...compress.recipe import Step
from ...inspection.errors import LineFileError
from ...inspection.roc import auroc
from ...inspection.storage import write_bytes
from ...inspection.threshold import operating_point
from ..cli.job import given_line
from ..cli.options import LineFileArgument, Runs, Verbose, answered
from ..console import Console
from ..line_file import LineFile
from ..making import make_module, make_teacher
from ..rows import TEACHER, RowPlan
from ..run import open_job
from ..stages import Stage, run_stage
from .distillation_table import ablation_table

if TYPE_CHECKING:
    from ..job import Made, RunJob

_ADDED: dict[str, dict[str, object]] = {
    "student alone": {"score": 0.0, "heatmap": 0.0, "features": None},
    "+ logits": {"heatmap": 0.0, "features": None},
    "+ heatmap": {"features": None},
    "+ features": {},
}
"""What is taken away from the full teacher's word, variant by variant."""

_AS_LIKELY_AS_NOT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One trained network.

    Attributes:
        variant: Of `variants`, or `teacher`.
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


def variants(step: DistillStep) -> dict[str, DistillStep]:
    """Give a student's four trainings; terms that its step leaves out come with their default weights."""
    given = step.teacher
    whole = given.model_copy(
        update={
            "score": given.score or 1.0,
            "heatmap": given.heatmap or 1.0,
            "features": given.features or FeatureTerm(),
        }
    )
    return {
        name: step.model_copy(update={"teacher": whole.model_copy(update=changes)}) for name, changes in _ADDED.items()
    }


def student_step(line_file: LineFile, *, epochs: int | None = None, samples: int | None = None) -> DistillStep:
    """Find the first `distill` step, shortened where asked.

    Raises:
        LineFileError: There is none, or the teacher is a finished graph.
    """
    steps = [step.settings for recipe in line_file.recipes for step in recipe.steps if step.method == METHOD.name]
    if not steps or line_file.teacher.onnx is not None:
        got = "a teacher that is a finished ONNX file" if line_file.teacher.onnx else "none"
        msg = f"the study of distillation: wanted a recipe with a distill step, got {got}; add one"
        raise LineFileError(msg)
    step: DistillStep = steps[0]
    asked = {"epochs": epochs, "samples_per_epoch": samples}
    fit = step.fit.model_copy(update={name: value for name, value in asked.items() if value is not None})
    return step.model_copy(update={"fit": fit})


def ablation(line_file: LineFile, step: DistillStep, *, seeds: int, runs: Path, console: Console) -> Iterator[Cell]:
    """Train every variant with every seed, in `runs/<name>-distillation`; what is done already is taken.

    Args:
        line_file: Its teacher, data and gates.
        step: The student; of `student_step`.
        seeds: How many, counted up from the line's.
        runs: Folder of all runs.
        console: Where progress goes.

    Yields:
        The teacher, then one seed after another, all variants of each.
    """
    named = line_file.model_copy(update={"name": f"{line_file.run_name[:50]}-distillation"})
    with open_job(named, runs=runs, console=console, measures=False) as job:
        teacher = make_teacher(job)
        yield _cell(job, TEACHER, teacher)
        for seed in range(named.seed, named.seed + seeds):
            seeded = replace(job, line_file=named.model_copy(update={"seed": seed}))
            for name, variant in variants(step).items():
                console.tell(f"seed {seed}: {name}")
                yield _cell(seeded, name, make_module(seeded, _plan(name, variant), teacher))


def main(
    line_file: LineFileArgument = None,
    runs: Runs = Path("runs"),
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=100, help="Trainings of each variant.")] = 3,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="In place of the step's.")] = None,
    samples: Annotated[int | None, typer.Option("--samples", min=1, help="Views an epoch, likewise.")] = None,
    verbose: Verbose = False,
) -> None:
    """Say what each of the teacher's terms brings; the table so far is kept in the run's folder as table.md."""
    with answered(as_json=False):
        console = Console(verbose=verbose)
        asked = given_line(line_file, runs=runs, console=console)
        step = student_step(asked, epochs=epochs, samples=samples)
        cells, table = [], ""
        for cell in ablation(asked, step, seeds=seeds, runs=runs, console=console):
            cells.append(cell)
            table = ablation_table(cells, max_overkill=asked.gates.overkill.max)
            write_bytes(runs / f"{asked.run_name[:50]}-distillation" / "table.md", table.encode())
        typer.echo(table, nl=False)


def _plan(name: str, step: DistillStep) -> RowPlan:
    steps = (Step.model_validate({METHOD.name: step.model_dump(mode="json")}),)
    return RowPlan(name=name, role="candidate", backend="torch_eager", steps=steps)


def _cell(job: RunJob, variant: str, made: Made) -> Cell:
    gate, scores = job.line_file.gates.overkill, _scored(job, made)
    bad = {split: np.array([s.defective for s in job.dataset.of(split)]) for split in ("val", "test")}
    cut = operating_point(
        scores["val"], bad["val"], max_overkill=job.line_file.val_overkill, confidence=gate.confidence
    ).threshold
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
    stage = Stage(name="score in torch", inputs={"source": made.key, "data": job.dataset.digest})

    def work(folder: Path) -> None:
        from ...compress.checkpoint import load_checkpoint
        from ...compress.devices import torch_device
        from ...compress.training.scores import batch_scores

        inspector, device = load_checkpoint(made.path).inspector, torch_device("cpu")
        parts = {
            split: batch_scores(inspector, job.dataset, job.dataset.of(split), device) for split in ("val", "test")
        }
        np.savez(folder / "scores.npz", allow_pickle=False, **parts)

    folder = run_stage(job.folder, stage, work, tell=job.console.detail)
    with np.load(folder / "scores.npz", allow_pickle=False) as found:
        return {"val": found["val"], "test": found["test"]}


if __name__ == "__main__":
    typer.run(main)
