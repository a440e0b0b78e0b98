"""The verb `start`: photographs of good parts in, a first inspector out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .options import Json, Runs, Verbose, answered, print_json

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Photographs of good parts, in any sub-folders.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="LINE.YAML", help="The line file to write.")]
WithoutOutliers = Annotated[
    bool, typer.Option("--without-outliers", help="Leave out photographs that lie far from all others.")
]


def start(
    folder: Folder,
    output: Output = Path("line.yaml"),
    without_outliers: WithoutOutliers = False,
    runs: Runs = Path("runs"),
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Make a first inspector of good parts alone: a line file, a report, a bundle, and what is missing for a proof."""
    with answered(as_json=as_json):
        from ..console import Console
        from ..starting import start_line, started_text

        started = start_line(
            folder, output, runs=runs, without_outliers=without_outliers, console=Console(verbose=verbose)
        )
        if as_json:
            facts = {"verdict": started.outcome.verdict, "message": started_text(started), **started.outcome.summary}
            outliers = {"outliers": [asdict(each) for each in started.outliers]}
            made = {"line_file": str(started.line_file), "bundle": str(started.bundle)}
            print_json({**facts, **made, **outliers, "left_out": [asdict(each) for each in started.left_out]})
        else:
            typer.echo(started_text(started))
