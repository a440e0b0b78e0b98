r"""What does another design in train bring to designs never shown? `... learning_curve line.yaml --design '(\d{5})'`.

The line's teacher is trained on one design, on two and so on, each time with as many views, and judged on val and test,
whose designs it has never seen. The order in which designs come in is drawn anew for each seed. See `students` for the
figures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ...inspection.base.errors import DataError, LineFileError
from ...inspection.data.dataset import Dataset
from ...pipeline.cli.job import given_line
from ...pipeline.cli.options import LineFileArgument, Runs, Verbose, answered
from ...pipeline.console import Console
from ...pipeline.run import open_job
from ...pipeline.stages.build_teacher import make_teacher
from ...pipeline.stages.job import RunJob
from .students import Cell, Seeds, judged
from .students_table import table_text


def designs_of(dataset: Dataset, pattern: str) -> tuple[str, ...]:
    """Find the designs in train, sorted.

    Args:
        dataset: With its splits.
        pattern: Regular expression that a group begins with; its first bracket, or all of it, names the design.

    Raises:
        DataError: It is no regular expression, a group does not match, or all groups are of one design.
    """
    found = set()
    for group in sorted({sample.group for sample in dataset.of("train")}):
        found.add(_design(group, pattern))
    if len(found) < 2:
        msg = f"--design {pattern!r}: wanted at least two designs in train, got {', '.join(sorted(found)) or 'none'}"
        raise DataError(msg)
    return tuple(sorted(found))


def trained_on(dataset: Dataset, pattern: str, designs: Sequence[str]) -> Dataset:
    """Leave only these designs in train; val and test stay.

    Raises:
        DataError: What is left lacks good or defective images.
    """
    train = [sample for sample in dataset.of("train") if _design(sample.group, pattern) in designs]
    if len({sample.defective for sample in train}) < 2:
        msg = f"designs {', '.join(designs)}: wanted good and defective images in train, got {len(train)} images"
        raise DataError(msg)
    return replace(dataset, samples=(*train, *dataset.of("val"), *dataset.of("test")))


def learning_curve(job: RunJob, pattern: str, numbers: Sequence[int], *, seeds: int) -> Iterator[Cell]:
    """Train the teacher on so many designs, for each seed; what is done already is taken.

    Args:
        job: The run, with its line's first seed.
        pattern: See `designs_of`.
        numbers: How many designs, each at least 1 and at most as many as there are.
        seeds: How many, counted up from the line's.

    Raises:
        DataError: See `designs_of` and `trained_on`, or a number is out of range.
    """
    names = designs_of(job.dataset, pattern)
    if wrong := [number for number in numbers if not 1 <= number <= len(names)]:
        msg = f"--designs {wrong[0]}: wanted 1 to {len(names)}, as many as train has: {', '.join(names)}"
        raise DataError(msg)
    first = job.line_file.seed
    for seed in range(first, first + seeds):
        order = np.random.default_rng(seed).permutation(names).tolist()
        for number in sorted(set(numbers)):
            of_these = trained_on(job.dataset, pattern, order[:number])
            line_file = job.line_file.model_copy(update={"seed": seed})
            own = replace(job, line_file=line_file, dataset=of_these)
            job.console.notify(f"seed {seed}: {', '.join(order[:number])}")
            yield judged(own, f"{number} of {len(names)} designs", make_teacher(own))


def _design(group: str, pattern: str) -> str:
    try:
        match = re.match(pattern, group)
    except re.error as error:
        msg = f"--design {pattern!r}: wanted a regular expression, got one that is none: {error}"
        raise DataError(msg) from error
    if match is None:
        msg = f"--design {pattern!r}: wanted every group to begin like this, got {group!r}"
        raise DataError(msg)
    return match.group(1 if match.re.groups else 0)


def main(
    design: Annotated[str, typer.Option("--design", help=r"What names the design in a group, such as '(\d{5})'.")],
    designs: Annotated[list[int], typer.Option("--designs", help="Train on so many; again: others too.")],
    line_file: LineFileArgument = None,
    runs: Runs = Path("runs"),
    seeds: Seeds = 3,
    verbose: Verbose = False,
) -> None:
    """Train the line's teacher on ever more designs; the table so far is kept as table.md."""
    with answered(as_json=False):
        console = Console(verbose=verbose)
        asked = given_line(line_file, runs=runs, console=console)
        teacher = asked.teacher
        if teacher.weights or teacher.onnx or teacher.factory:
            msg = "a learning curve: wanted a teacher that is trained here, got one that is brought along; drop it"
            raise LineFileError(msg)
        named = asked.model_copy(update={"name": f"{asked.run_name[:50]}-learning-curve"})
        with open_job(named, runs=runs, console=console, measures=False) as job:
            table = table_text(job, learning_curve(job, design, designs, seeds=seeds))
    typer.echo(table, nl=False)


if __name__ == "__main__":
    typer.run(main)
