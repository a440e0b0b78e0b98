"""The verb `bench`: measure and judge every row, soak one, or compare two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...inspection.base.errors import LineFileError
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

Compare = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--compare",
        metavar="A B",
        help="How many times as long A takes as B: two rows, interleaved, or two .npz traces.",
    ),
]
Rounds = Annotated[
    int | None, typer.Option("--rounds", min=2, max=1000, help="How often each of the two rows takes its turn.")
]


def bench(
    line_file: LineFileArgument = None,
    runs: Runs = Path("runs"),
    soak: Soak = None,
    row: Row = None,
    compare: Compare = None,
    rounds: Rounds = None,
    quick: Quick = False,
    baselines: Baselines = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Measure and judge every row. With --soak: one row for as long as asked; with --compare: how two differ."""
    with answered(as_json=as_json):
        if row is not None and soak is None:
            msg = "--row says which row to soak; add --soak 30m, or leave it out to measure every row"
            raise LineFileError(msg)
        if compare is not None:
            outcome = _compared(line_file, compare, runs=runs, rounds=rounds, quick=quick, verbose=verbose)
        elif soak is not None:
            outcome = _soaked(line_file, soak, runs=runs, row=row, quick=quick, verbose=verbose)
        else:
            outcome = worked("bench", line_file, runs=runs, quick=quick, baselines=baselines, verbose=verbose)
        answer(outcome, as_json=as_json)


def _soaked(path: Path | None, length: str, *, runs: Path, row: str | None, quick: bool, verbose: bool) -> Outcome:
    from ...inspection.base.durations import seconds_of
    from ..console import Console
    from ..soaking import soak_row

    seconds, console = seconds_of(length), Console(verbose=verbose)
    line_file = given_line(path, runs=runs, console=console)
    return soak_row(line_file, runs=runs, seconds=seconds, row=row, quick=quick, console=console)


def _compared(
    path: Path | None, names: tuple[str, str], *, runs: Path, rounds: int | None, quick: bool, verbose: bool
) -> Outcome:
    from ..comparing import are_traces, compare_rows, compare_trace_files
    from ..console import Console

    if are_traces(*names):
        return compare_trace_files(Path(names[0]), Path(names[1]))
    console = Console(verbose=verbose)
    line_file = given_line(path, runs=runs, console=console)
    return compare_rows(line_file, names, runs=runs, rounds=rounds, quick=quick, console=console)
