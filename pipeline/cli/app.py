"""Puts the verbs together; a verb's module loads what it needs when it is called."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from .bench import bench
from .bundle import bundle
from .data import data
from .deploy import install, rollback, status, verify
from .devices import check, devices, doctor
from .job import JOBS, job_verb, report, train
from .learn import learn
from .options import VerbThatLists
from .planning import plan
from .references import reference
from .rejects import rejects
from .serving import serve
from .start import start
from .wheels import wheels

app = typer.Typer(
    name="beltline",
    help="Make a defect-inspection model fit a conveyor line: compress it, measure it against the belt, judge it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line and exit; see the exit codes in the README."""
    app(prog_name="beltline")


def _print_version(asked: bool) -> None:
    if not asked:
        return
    try:
        typer.echo(version("beltline"))
    except PackageNotFoundError:
        typer.echo("not installed (running from the source folder)")
    raise typer.Exit


@app.callback(
    epilog="Exit codes: 0 it fits (or the verb worked), 1 a bug, 2 bad input, 3 a gate is missed, 4 inconclusive, "
    "130 stopped with Ctrl-C."
)
def _all_verbs(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take a verb."""


app.command(epilog="Example: beltline start good_parts")(start)
app.command(epilog="Example: beltline learn line.yaml --good false_alarms --defect missed")(learn)
for _job in JOBS:
    app.command(_job.name, help=_job.help, epilog=f"Example: {_job.example}")(job_verb(_job))
app.command(epilog="Example: beltline bench line.yaml --json")(bench)
app.command(epilog="Example: beltline report line.yaml --format md", cls=VerbThatLists)(report)
app.command(epilog="Example: beltline train line.yaml --keep teacher.safetensors")(train)
app.command(epilog="Example: beltline check model.onnx --for jetpack6.2", cls=VerbThatLists)(check)
app.command(epilog="Example: beltline wheels wheels --architecture aarch64 --python 3.10")(wheels)
app.command(epilog="Example: beltline plan line.yaml")(plan)
app.command(epilog="Example: beltline data parts --html parts.html")(data)
app.command(epilog="Example: beltline doctor")(doctor)
app.command(epilog="Example: beltline devices --json")(devices)
app.command(epilog="Example: beltline bundle line.yaml --key key.pem -o line.beltline")(bundle)
app.command(epilog="Example: beltline verify line.beltline --key key.pub.pem")(verify)
app.command(epilog="Example: beltline install line.beltline --key key.pub.pem")(install)
app.command(epilog="Example: beltline rollback")(rollback)
app.command(epilog="Example: beltline status --json")(status)
app.command(epilog="Example: beltline serve station.yaml")(serve)
app.command(epilog="Example: beltline rejects rejects -o labelled")(rejects)
app.add_typer(reference)
