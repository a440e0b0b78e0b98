"""The verbs that work: `run` and one for each part of it on the same files and caches, and `report` in every form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .options import FORMATS, Json, LineFileArgument, Runs, Verbose, answered, print_json, read_line_file

if TYPE_CHECKING:
    from ...benchmarks.report.finished import FinishedReport, Format
    from ..console import Console
    from ..line.line_file import LineFile
    from ..run import Outcome


Until = Literal["train", "compress", "export", "bench", "report"]
Quick = Annotated[
    bool, typer.Option("--quick", help="Fewer epochs and frames: the same path in minutes, not a result to rely on.")
]
Baselines = Annotated[
    bool, typer.Option("--baselines", help="Add the rows one would otherwise choose (the teacher on each runtime).")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A verb that does the job up to a point.

    Attributes:
        name: The verb.
        until: The last part that is done.
        help: One sentence for `--help`.
        example: A command that works as it stands.
    """

    name: str
    until: Until
    help: str
    example: str


JOBS = (
    Job(
        name="run",
        until="report",
        help="Do the whole job; go on where a run stopped. Train, compress, export, measure, judge, report.",
        example="beltline run --quick",
    ),
    Job(
        name="compress",
        until="compress",
        help="Work off the recipes.",
        example="beltline compress line.yaml -v",
    ),
    Job(
        name="export",
        until="export",
        help="Export and build every row. Decisions are compared stage by stage.",
        example="beltline export line.yaml",
    ),
)


def job_verb(job: Job) -> Callable[..., None]:
    """Make the function that typer calls for a job."""

    def verb(
        line_file: LineFileArgument = None,
        runs: Runs = Path("runs"),
        quick: Quick = False,
        baselines: Baselines = False,
        as_json: Json = False,
        verbose: Verbose = False,
    ) -> None:
        with answered(as_json=as_json):
            outcome = worked(job.until, line_file, runs=runs, quick=quick, baselines=baselines, verbose=verbose)
            answer(outcome, as_json=as_json)

    verb.__doc__ = job.help
    return verb


def train(
    line_file: LineFileArgument = None,
    runs: Runs = Path("runs"),
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="FILE", help="Also write the teacher there, in half precision.")
    ] = None,
    quick: Quick = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Train the teacher, or take the one named. A kept file is what `teacher.weights` in a line file takes."""
    with answered(as_json=as_json):
        outcome = worked("train", line_file, runs=runs, quick=quick, verbose=verbose)
        if keep is not None:
            from ...compress.checkpoint import keep_in_half

            keep_in_half(Path(outcome.summary["files"][0]), keep)
        answer(outcome, as_json=as_json)


def worked(
    until: Until, path: Path | None, *, runs: Path, quick: bool, verbose: bool, baselines: bool = False
) -> Outcome:
    """Do the job up to a part of it; see `run.run_job`."""
    from ..console import Console
    from ..run import run_job

    console = Console(verbose=verbose)
    line_file = given_line(path, runs=runs, console=console)
    return run_job(line_file, runs=runs, quick=quick, baselines=baselines, until=until, console=console)


def given_line(path: Path | None, *, runs: Path, console: Console) -> LineFile:
    """Load the line file; without one, draw the built-in line (once) and give it."""
    from ..line.builtin import write_builtin_data

    line_file = read_line_file(path, runs=runs)
    if path is None:
        console.notify(f"no line file given: the built-in synthetic line, drawn once into {line_file.data.root}")
        write_builtin_data(runs)
    return line_file


def answer(outcome: Outcome, *, as_json: bool, to_stderr: bool = False) -> None:
    """Print how a job ended and exit with its code; the message goes to stderr where stdout holds something else."""
    if as_json:
        report = None if outcome.report is None else str(outcome.report)
        head = {"verdict": outcome.verdict, "exit_code": outcome.exit_code, "report": report}
        print_json({**head, "message": outcome.message, **outcome.summary})
    else:
        typer.echo(outcome.message, err=to_stderr)
    raise typer.Exit(outcome.exit_code)


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
