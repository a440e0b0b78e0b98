"""What does each of the teacher's terms bring? `python -m beltline.studies.students.distillation line.yaml`.

The student of the first `distill` step is trained on the labels alone, then with the teacher's score, heatmap and
feature maps added one after the other, each with several seeds; see `students`.
"""

from __future__ import annotations

from pathlib import Path

import typer

from ...compress.methods.distill.settings import DistillStep
from ...compress.training.teacher_terms import FeatureTerm
from ...pipeline.cli.options import LineFileArgument, Runs, Verbose
from .students import Epochs, Samples, Seeds, opened, trained_students
from .students_table import table_text

_ADDED: dict[str, dict[str, object]] = {
    "student alone": {"score": 0.0, "heatmap": 0.0, "features": None},
    "+ logits": {"heatmap": 0.0, "features": None},
    "+ heatmap": {"features": None},
    "+ features": {},
}
"""What is taken away from the full teacher's word, variant by variant."""


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


def main(
    line_file: LineFileArgument = None,
    runs: Runs = Path("runs"),
    seeds: Seeds = 3,
    epochs: Epochs = None,
    samples: Samples = None,
    verbose: Verbose = False,
) -> None:
    """Say what each of the teacher's terms brings; the table so far is kept in the run's folder as table.md."""
    asked = opened(line_file, study="distillation", runs=runs, epochs=epochs, samples=samples, verbose=verbose)
    with asked as (job, steps):
        table = table_text(job, trained_students(job, variants(next(iter(steps.values()))), seeds=seeds))
    typer.echo(table, nl=False)


if __name__ == "__main__":
    typer.run(main)
