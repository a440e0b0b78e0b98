"""How does a student do on designs that it was never shown? `... held_out line.yaml --groups '20085*'`.

The students of a line's recipes are trained without the groups that match, each with several seeds, and judged on those
groups instead of on test, which is never read: recipes can be chosen by it. See `students`. A teacher that line.yaml
brings along has mostly seen the groups; one that it trains is trained without them, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer

from ...inspection.base.errors import DataError
from ...inspection.base.storage import write_json
from ...inspection.data.dataset import Dataset
from ...inspection.data.loading import splits_json
from ...pipeline.cli.options import LineFileArgument, Runs, Verbose
from .students import Epochs, Samples, Seeds, opened, trained_students
from .students_table import table_text


def held_out(dataset: Dataset, patterns: Sequence[str]) -> Dataset:
    """Take groups out of train and make them test; the test split there was is left out.

    Args:
        dataset: With its splits.
        patterns: Of the groups, such as `20085*` (`fnmatch`); one match is enough.

    Raises:
        DataError: What matches, or what is left, lacks good or defective images.
    """
    train = dataset.of("train")
    out = {sample.group for sample in train if any(fnmatchcase(sample.group, pattern) for pattern in patterns)}
    matching = [sample for sample in train if sample.group in out]
    left = [sample for sample in train if sample.group not in out]
    for samples, place in ((matching, "in what matches"), (left, "in what is left")):
        if len({sample.defective for sample in samples}) < 2:
            groups = ", ".join(sorted({sample.group for sample in train})[:3])
            msg = (
                f"--groups {' '.join(map(repr, patterns))}: wanted good and defective training images {place}, "
                f"got {len(samples)} images; groups are called {groups}, ..."
            )
            raise DataError(msg)
    held = [replace(sample, split="test") for sample in matching]
    return replace(dataset, samples=(*left, *dataset.of("val"), *held))


def main(
    groups: Annotated[
        list[str], typer.Option("--groups", help="Training groups to hold out, such as '20085*'; again: more.")
    ],
    line_file: LineFileArgument = None,
    runs: Runs = Path("runs"),
    seeds: Seeds = 3,
    epochs: Epochs = None,
    samples: Samples = None,
    verbose: Verbose = False,
) -> None:
    """Judge each recipe's student on groups that it was not shown; the table so far is kept as table.md."""
    asked = opened(line_file, study="held-out", runs=runs, epochs=epochs, samples=samples, verbose=verbose)
    with asked as (job, steps):
        dataset = held_out(job.dataset, groups)
        write_json(job.folder / "splits.json", splits_json(dataset))
        table = table_text(job, trained_students(replace(job, dataset=dataset), steps, seeds=seeds))
    typer.echo(table, nl=False)


if __name__ == "__main__":
    typer.run(main)
