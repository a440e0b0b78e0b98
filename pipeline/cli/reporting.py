"""The verb `report`: write the report, or print a finished one in another form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .job import Baselines, Quick, answer, worked
from .options import FORMATS, Json, LineFileArgument, Runs, Verbose, answered

if TYPE_CHECKING:
    from ...benchmarks.report.finished import FinishedReport, Format
    from ..run import Outcome

From = Annotated[
    Path | None,
    typer.Option("--from", metavar="REPORT.JSON", help="Take this finished report; nothing is run, no line file read."),
]
FormatName = Annotated[
    str | None,
    typer.Option("--format", metavar="NAME", help=f"Print it in this form: {FORMATS}. See --output."),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write it there; the suffix may name the format."),
]


def report(
    line_file: LineFileArgument = None,
    finished: From = None,
    format_name: FormatName = None,
    output: Output = None,
    runs: Runs = Path("runs"),
    quick: Quick = False,
    baselines: Baselines = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Write the report. What it needs and is not done yet is done first; what is done is not done again."""
    with answered(as_json=as_json):
        from ...benchmarks.report.finished import finished_report, format_of

        if finished is not None and (line_file is not None or quick or baselines):
            raise typer.BadParameter(_ONE_SOURCE)
        if as_json and format_name is not None and output is None:
            raise typer.BadParameter(_ONE_STDOUT)
        wanted = format_of(format_name, output=output)
        outcome = (
            worked("report", line_file, runs=runs, quick=quick, baselines=baselines, verbose=verbose)
            if finished is None
            else _outcome(finished_report(finished))
        )
        if wanted is not None:
            _print(finished_report(Path(outcome.summary["report_json"])), wanted, output)
        answer(outcome, as_json=as_json, to_stderr=wanted is not None and output is None)


_ONE_SOURCE = "--from takes a finished report as it stands: leave out the line file, --quick and --baselines"
_ONE_STDOUT = "--json and --format both print on stdout: add --output FILE, or leave one out"


def _outcome(finished: FinishedReport) -> Outcome:
    from ..run import outcome_of

    return outcome_of(finished.report, finished.path)


def _print(finished: FinishedReport, wanted: Format, output: Path | None) -> None:
    from ...inspection.base.storage import write_bytes

    text = wanted.render(finished)
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_bytes(output, text.encode())
