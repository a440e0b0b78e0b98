"""The verb `bench`: measure and judge every row, or soak one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .job import Baselines, Quick, answer, given_line, worked
from .options import Json, LineFileArgument, Runs, Verbose, answered

if TYPE_CHECKING:
    from ..run import Outcome

Soak = Annotated[
    str | None,
    typer.Option("--soak", metavar="TIME", help="Run one row under the line's load for so long, such as 30m or 7d."),
]
Row = Annotated[
    str | None, typer.Option("--row", metavar="NAME", help="Which row to soak; else the selected or the cheapest one.")
]


def bench(
    line_file: LineFileArgument = None,
    runs: Runs = Path("runs"),
    soak: Soak = None,
    row: Row = None,
    quick: Quick = False,
    baselines: Baselines = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Measure and judge every row. With --soak: one row for as long as asked; stop and go on as you like."""
    with answered(as_json=as_json):
        if soak is not None:
            outcome = _soaked(line_file, soak, runs=runs, row=row, quick=quick, verbose=verbose)
        else:
            outcome = worked("bench", line_file, runs=runs, quick=quick, baselines=baselines, verbose=verbose)
        answer(outcome, as_json=as_json)


def _soaked(path: Path | None, length: str, *, runs: Path, row: str | None, quick: bool, verbose: bool) -> Outcome:
    from ...inspection.durations import seconds_of
    from ..console import Console
    from ..soaking import soak_row

    seconds, console = seconds_of(length), Console(verbose=verbose)
    line_file = given_line(path, runs=runs, console=console)
    return soak_row(line_file, runs=runs, seconds=seconds, row=row, quick=quick, console=console)
