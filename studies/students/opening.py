"""How the studies of students are called: their options, and the run that they open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ...compress.methods.distill.settings import DistillStep
from ...pipeline.cli.job import given_line
from ...pipeline.cli.options import answered
from ...pipeline.console import Console
from ...pipeline.run import open_job
from ...pipeline.stages.job import RunJob
from .students import distill_steps

Seeds = Annotated[int, typer.Option("--seeds", min=1, max=100, help="Trainings of each student.")]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="In place of the recipe's.")]
Samples = Annotated[int | None, typer.Option("--samples", min=1, help="Views an epoch, in place of the recipe's.")]


@contextmanager
def opened(
    line_file: Path | None, *, study: str, runs: Path, epochs: int | None, samples: int | None, verbose: bool
) -> Iterator[tuple[RunJob, dict[str, DistillStep]]]:
    """Open the run `<name>-<study>` and give it with the students of the line's recipes, see `distill_steps`.

    What goes wrong is told and ends the program, as for any other command.
    """
    with answered(as_json=False):
        console = Console(verbose=verbose)
        asked = given_line(line_file, runs=runs, console=console)
        steps = distill_steps(asked, epochs=epochs, samples=samples)
        named = asked.model_copy(update={"name": f"{asked.run_name[:50]}-{study}"})
        with open_job(named, runs=runs, console=console, measures=False) as job:
            yield job, steps
